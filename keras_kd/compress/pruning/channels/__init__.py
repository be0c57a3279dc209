"""Fewer channels: which ones hang together, and a model built anew without some."""

from keras_kd.compress.pruning.channels.surgery import channel_groups as channel_groups
