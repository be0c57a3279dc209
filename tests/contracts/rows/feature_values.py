"""Boundaries, margins, scales and channels of features."""

from keras_kd import losses
from tests.contracts.loss_row import rows

LOSSES = [
    # A teacher within the margin is not good enough as a student.
    *rows(losses.ActivationBoundary, {"margin": 0.5}, shape=(2, 3, 2), minimum=None),
    *rows(losses.FeatureOverhaul, {"margin": [-0.5, -1.5]}, shape=(3, 2, 2)),
    *rows(losses.HierarchicalContext, shape=(5, 3, 2)),
    *rows(losses.HierarchicalContext, shape=[(5, 3, 2), (2, 2, 3)]),
    *rows(losses.ChannelWise, {"temperature": 1.0}, shape=(3, 4, 2)),
    *rows(losses.PearsonFeature, shape=(3, 2, 2), looks_around=True),
]
