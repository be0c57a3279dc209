"""Make a student smaller while it learns: quantize, prune, cluster."""

from keras_kd.compress.clustering import cluster as cluster
from keras_kd.compress.pruning.channels import channel_groups as channel_groups
from keras_kd.compress.pruning.pruning import prune as prune
from keras_kd.compress.pruning.pruning import sparsity as sparsity
from keras_kd.compress.pruning.schedules import PolynomialSparsity as PolynomialSparsity
from keras_kd.compress.quantize.training import quantize_aware as quantize_aware
from keras_kd.compress.strip import quantization_mode as quantization_mode
from keras_kd.compress.strip import strip as strip
from keras_kd.compress.weights import TransformedWeights as TransformedWeights
from keras_kd.compress.weights import WeightTransform as WeightTransform
