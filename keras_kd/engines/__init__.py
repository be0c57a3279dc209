"""How a frozen model is run: TensorFlow, LiteRT or ONNX, and which is fastest here."""
