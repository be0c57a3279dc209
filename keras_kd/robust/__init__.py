"""Students that stand firm: attacks that they train under, and are measured by."""

from keras_kd.robust.accuracy import robust_accuracy
from keras_kd.robust.pgd import PGD

__all__ = ["PGD", "robust_accuracy"]
