"""Trainings of several stages: chains, generations, and students that live on."""

from keras_kd.regimes.assistants import Chain, Link, distill_chain
from keras_kd.regimes.born_again import born_again
from keras_kd.regimes.lasting import widened
from keras_kd.regimes.matching import LayerMatching, layer_matching
from keras_kd.regimes.separated_softmax import SeparatedSoftmax

__all__ = [
    "Chain",
    "LayerMatching",
    "Link",
    "SeparatedSoftmax",
    "born_again",
    "distill_chain",
    "layer_matching",
    "widened",
]
