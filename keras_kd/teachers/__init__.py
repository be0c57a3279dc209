"""Where teacher features come from: one model, several, or the student itself."""

from keras_kd.teachers.ema import EMATeacher as EMATeacher
from keras_kd.teachers.ensemble import EnsembleTeacher as EnsembleTeacher
from keras_kd.teachers.frozen import FrozenTeacher as FrozenTeacher
from keras_kd.teachers.frozen import as_teacher as as_teacher
from keras_kd.teachers.itself import SelfTeacher as SelfTeacher
from keras_kd.teachers.teacher import Teacher as Teacher
from keras_kd.teachers.virtual import VirtualTeacher as VirtualTeacher
