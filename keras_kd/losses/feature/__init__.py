"""What a teacher sees on the way: losses over features."""

from keras_kd.losses.feature.attention import AttentionTransfer, attention_transfer
from keras_kd.losses.feature.boundaries import ActivationBoundary, activation_boundary
from keras_kd.losses.feature.channel_relations import InterChannel, inter_channel
from keras_kd.losses.feature.channels import ChannelWise, channel_wise
from keras_kd.losses.feature.cross_layer import CrossLayer, cross_layer
from keras_kd.losses.feature.factors import FactorTransfer, factor_transfer
from keras_kd.losses.feature.flow import FlowOfSolution, flow_of_solution
from keras_kd.losses.feature.generative import (
    MaskedGenerative,
    masked_generative,
)
from keras_kd.losses.feature.hierarchy import HierarchicalContext, hierarchical_context
from keras_kd.losses.feature.hints import Hint, hint
from keras_kd.losses.feature.margins import FeatureOverhaul, overhaul, overhaul_margin
from keras_kd.losses.feature.pearson import PearsonFeature, pearson_feature
from keras_kd.losses.feature.selectivity import NeuronSelectivity, neuron_selectivity
from keras_kd.losses.feature.variational import (
    VariationalInformation,
    variational,
)

__all__ = [
    "ActivationBoundary",
    "AttentionTransfer",
    "ChannelWise",
    "CrossLayer",
    "FactorTransfer",
    "FeatureOverhaul",
    "FlowOfSolution",
    "HierarchicalContext",
    "Hint",
    "InterChannel",
    "MaskedGenerative",
    "NeuronSelectivity",
    "PearsonFeature",
    "VariationalInformation",
    "activation_boundary",
    "attention_transfer",
    "channel_wise",
    "cross_layer",
    "factor_transfer",
    "flow_of_solution",
    "hierarchical_context",
    "hint",
    "inter_channel",
    "masked_generative",
    "neuron_selectivity",
    "overhaul",
    "overhaul_margin",
    "pearson_feature",
    "variational",
]
