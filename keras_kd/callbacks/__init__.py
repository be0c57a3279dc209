"""What happens between epochs: saving the student, showing progress, changing terms."""

from keras_kd.callbacks.checkpoint import StudentCheckpoint, save_model
from keras_kd.callbacks.low_to_high import low_to_high
from keras_kd.callbacks.progress import ProgressLines
from keras_kd.callbacks.stages import Stages
from keras_kd.callbacks.term_gradients import TermGradients
from keras_kd.objective.stage import Stage

__all__ = [
    "ProgressLines",
    "Stage",
    "Stages",
    "StudentCheckpoint",
    "TermGradients",
    "low_to_high",
    "save_model",
]
