"""Knowledge distillation for Keras 3, down to the phone."""

__version__ = "0.1.0"
