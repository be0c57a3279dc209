"""How one tensor of a teacher is kept: a fixed number of bytes for each row."""

from keras_kd.store.fields.field import Closeness as Closeness
from keras_kd.store.fields.field import Field as Field
from keras_kd.store.fields.int8 import Int8 as Int8
from keras_kd.store.fields.leaf import Leaf as Leaf
from keras_kd.store.fields.leaf import field_for as field_for
from keras_kd.store.fields.leaf import field_from as field_from
from keras_kd.store.fields.top_k import TopK as TopK
from keras_kd.store.fields.whole import Whole as Whole
