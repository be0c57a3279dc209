"""Teacher outputs kept on disk: paid for once, read in every epoch."""

from keras_kd.store.label import label as label
from keras_kd.store.stored import StoredTeacher as StoredTeacher
