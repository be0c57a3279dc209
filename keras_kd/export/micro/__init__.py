"""An int8 file as a C array, for TFLite-Micro."""

from keras_kd.export.micro.source import describe as describe
from keras_kd.export.micro.source import to_c as to_c
