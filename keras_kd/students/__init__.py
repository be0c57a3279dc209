"""Students: with exits, with branches, or made from their teacher."""

from keras_kd.students.blocks import Block as Block
from keras_kd.students.blocks import repeatable_blocks as repeatable_blocks
from keras_kd.students.branches import BranchedStudent as BranchedStudent
from keras_kd.students.branches import branches as branches
from keras_kd.students.cost import Cost as Cost
from keras_kd.students.cost import cost_of as cost_of
from keras_kd.students.exits import EarlyExitStudent as EarlyExitStudent
from keras_kd.students.exits import with_exits as with_exits
from keras_kd.students.slim import slim as slim
from keras_kd.students.suggest import Budget as Budget
from keras_kd.students.suggest import Suggestion as Suggestion
from keras_kd.students.suggest import Suggestions as Suggestions
from keras_kd.students.suggest import suggest as suggest
