"""Training that knows it will be rounded."""

from keras_kd.compress.quantize.training import calibrate as calibrate
from keras_kd.compress.quantize.training import quantize_aware as quantize_aware
