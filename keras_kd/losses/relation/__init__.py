"""How a teacher relates the examples of a batch: losses over pairs and triples."""

from keras_kd.losses.relation.angles import rkd_angle
from keras_kd.losses.relation.congruence import (
    CorrelationCongruence,
    correlation_congruence,
)
from keras_kd.losses.relation.distances import rkd_distance
from keras_kd.losses.relation.probabilities import (
    ProbabilisticTransfer,
    probabilistic_transfer,
)
from keras_kd.losses.relation.relational import RelationalKD
from keras_kd.losses.relation.similarity import (
    SimilarityPreserving,
    similarity_preserving,
)

__all__ = [
    "CorrelationCongruence",
    "ProbabilisticTransfer",
    "RelationalKD",
    "SimilarityPreserving",
    "correlation_congruence",
    "probabilistic_transfer",
    "rkd_angle",
    "rkd_distance",
    "similarity_preserving",
]
