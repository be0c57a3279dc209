"""Everything trainable: what stands between student and teacher, and stays behind."""

from keras_kd.layers.adapter_for import adapter_for
from keras_kd.layers.attention_fusion import AttentionFusion
from keras_kd.layers.auxiliary_head import AuxiliaryHead
from keras_kd.layers.class_map import ClassMap
from keras_kd.layers.dense_adapter import DenseAdapter
from keras_kd.layers.ensemble_head import EnsembleHead
from keras_kd.layers.feature_adapter import FeatureAdapter
from keras_kd.layers.learned_temperature import LearnedTemperature
from keras_kd.layers.mask_from import MaskFrom
from keras_kd.layers.masked_generator import MaskedGenerator
from keras_kd.layers.memory_bank import MemoryBank
from keras_kd.layers.parallel_adapters import ParallelAdapters
from keras_kd.layers.projection_head import ProjectionHead
from keras_kd.layers.review_fusion import ReviewFusion
from keras_kd.layers.semantic_calibration import SemanticCalibration
from keras_kd.layers.token_adapter import TokenAdapter
from keras_kd.layers.variational_adapter import VariationalAdapter

__all__ = [
    "AttentionFusion",
    "AuxiliaryHead",
    "ClassMap",
    "DenseAdapter",
    "EnsembleHead",
    "FeatureAdapter",
    "LearnedTemperature",
    "MaskFrom",
    "MaskedGenerator",
    "MemoryBank",
    "ParallelAdapters",
    "ProjectionHead",
    "ReviewFusion",
    "SemanticCalibration",
    "TokenAdapter",
    "VariationalAdapter",
    "adapter_for",
]
