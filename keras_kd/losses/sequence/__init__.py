"""What a transformer teaches: losses over tokens, attention and their relations."""

from keras_kd.losses.sequence.attention import AttentionMatrix, attention_matrix
from keras_kd.losses.sequence.first_token import Patient, patient
from keras_kd.losses.sequence.hidden import HiddenState, hidden_state
from keras_kd.losses.sequence.self_relations import (
    QueryKeyRelation,
    ValueRelation,
    query_key_relation,
    value_relation,
)

__all__ = [
    "AttentionMatrix",
    "HiddenState",
    "Patient",
    "QueryKeyRelation",
    "ValueRelation",
    "attention_matrix",
    "hidden_state",
    "patient",
    "query_key_relation",
    "value_relation",
]
