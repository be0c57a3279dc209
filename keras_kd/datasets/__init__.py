"""Labelled images from a name, a file or a folder, as arrays in memory."""

from keras_kd.datasets.dataset import UNLABELLED as UNLABELLED
from keras_kd.datasets.dataset import Dataset as Dataset
from keras_kd.datasets.dataset import hide_labels as hide_labels
from keras_kd.datasets.load import load_dataset as load_dataset
