"""What a file says about itself: name, labels, normalisation, vocabulary."""

from keras_kd.export.metadata.card import Metadata as Metadata
from keras_kd.export.metadata.embed import embed as embed
from keras_kd.export.metadata.read import read_metadata as read_metadata
