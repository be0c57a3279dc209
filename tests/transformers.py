"""A small transformer for tests, the same from the same seed."""

import keras
import numpy as np
from keras import layers, ops

VOCABULARY, LENGTH = 12, 6
NORMAL = keras.initializers.RandomNormal(stddev=1.0)


def transformer(name, width=8, heads=2, blocks=2, seed=0, causal=False):
    """Taps: tokens; attention_i and block_i, for i from 1; head. Token 0 is padding.

    As many models do, it hides padded keys alone, by an explicit mask.
    """
    keras.utils.set_random_seed(seed)
    ids = keras.Input((LENGTH,), dtype="int32")
    mask = ops.not_equal(ids, 0)[:, None, :]
    x = layers.Embedding(VOCABULARY, width, NORMAL, name="tokens")(ids)
    for i in range(1, blocks + 1):
        attention = layers.MultiHeadAttention(
            heads, width // heads, name=f"attention_{i}"
        )
        seen = attention(x, x, attention_mask=mask, use_causal_mask=causal)
        x = layers.LayerNormalization()(layers.Add()([x, seen]))
        more = layers.Dense(width, activation="gelu")(x)
        x = layers.LayerNormalization(name=f"block_{i}")(layers.Add()([x, more]))
    return keras.Model(ids, layers.Dense(3, name="head")(x[:, 0]), name=name)


def sentences(count=16, seed=0):
    """Tokens of which the last ones are padding, and labels."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(1, VOCABULARY, (count, LENGTH)).astype("int32")
    lengths = rng.integers(2, LENGTH + 1, count)
    ids[np.arange(LENGTH) >= lengths[:, None]] = 0
    return ids, rng.integers(0, 3, count)


def change_padding(model):
    """Let padding hold something else."""
    table = model.get_layer("tokens").embeddings
    rows = np.array(table)
    rows[0] = 7.0 - rows[0]
    table.assign(rows)
