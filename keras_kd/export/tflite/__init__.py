"""From a Keras student to a .tflite file."""

from keras_kd.export.tflite.export import export_tflite as export_tflite
from keras_kd.export.tflite.tracing import trace as trace
