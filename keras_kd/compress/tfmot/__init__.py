"""The TensorFlow Model Optimization Toolkit, used for Keras 3 students.

Its pruning, clustering and quantization-aware training work on tf_keras models
alone: a bridge rebuilds a student there, trains it beside its Keras 3 teacher, and
brings it back.
"""

from keras_kd.compress.tfmot.bridge import from_tf_keras as from_tf_keras
from keras_kd.compress.tfmot.bridge import to_tf_keras as to_tf_keras
from keras_kd.compress.tfmot.convert import to_tflite as to_tflite
from keras_kd.compress.tfmot.load import load as load
from keras_kd.compress.tfmot.teaching import fit_with_teacher as fit_with_teacher
from keras_kd.compress.tfmot.wrappers import cluster_weights as cluster_weights
from keras_kd.compress.tfmot.wrappers import prune_low_magnitude as prune_low_magnitude
from keras_kd.compress.tfmot.wrappers import quantize_model as quantize_model
