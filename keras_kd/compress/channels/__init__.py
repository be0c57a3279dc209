"""Fewer channels: which ones hang together, and a model built anew without some."""

from keras_kd.compress.channels.surgery import channel_groups as channel_groups
