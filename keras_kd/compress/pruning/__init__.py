"""Weights, 2:4 groups or whole channels that are taken out."""

from keras_kd.compress.pruning.channels import channel_groups as channel_groups
from keras_kd.compress.pruning.pruning import prune as prune
from keras_kd.compress.pruning.pruning import sparsity as sparsity
from keras_kd.compress.pruning.schedules import PolynomialSparsity as PolynomialSparsity
