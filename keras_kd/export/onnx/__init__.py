"""From a Keras student to an .onnx file that is known to run."""

from keras_kd.export.onnx.export import export_onnx as export_onnx
from keras_kd.export.onnx.runtime import OnnxRunner as OnnxRunner
