"""Everything trainable: what stands between student and teacher, and stays behind."""

from keras_kd.layers.adapter_for import adapter_for
from keras_kd.layers.dense_adapter import DenseAdapter
from keras_kd.layers.feature_adapter import FeatureAdapter
from keras_kd.layers.parallel_adapters import ParallelAdapters
from keras_kd.layers.token_adapter import TokenAdapter

__all__ = [
    "DenseAdapter",
    "FeatureAdapter",
    "ParallelAdapters",
    "TokenAdapter",
    "adapter_for",
]
