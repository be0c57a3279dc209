"""What happens between epochs: saving the student, showing progress, changing terms."""

from keras_kd.callbacks.checkpoint import StudentCheckpoint, save_model
from keras_kd.callbacks.progress import ProgressLines

__all__ = [
    "ProgressLines",
    "StudentCheckpoint",
    "save_model",
]
