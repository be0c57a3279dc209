"""Make a student smaller while it learns: quantize, prune, cluster."""

from keras_kd.compress.strip import quantization_mode as quantization_mode
from keras_kd.compress.strip import strip as strip
from keras_kd.compress.weights import TransformedWeights as TransformedWeights
from keras_kd.compress.weights import WeightTransform as WeightTransform
