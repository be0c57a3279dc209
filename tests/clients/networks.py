"""Small networks of every family, and the real or made-up data they learn from."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

TESTED = 120
"""Held-out examples that every client runs."""

WORDS_PER_TEXT = 12
PLACES = "hotel film book phone meal song game train museum concert".split()
GOOD = "good great lovely superb excellent charming brilliant fine".split()
BAD = "bad poor dull awful terrible boring broken slow".split()
FILLERS = "the was and really it we found quite a very this".split()
VOCABULARY = ["<PAD>", "<START>", "<UNKNOWN>", "not", *PLACES, *GOOD, *BAD, *FILLERS]


def digit_images(scale: int = 1):
    """scikit-learn's 1,797 handwritten digits as whole steps of 1/255.

    Returns:
        A tuple `(images, labels)`: float32 of shape `(count, 8 scale, 8 scale, 1)`
        in 0..1, shuffled, and integers.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    steps = np.rint(images[order].reshape(-1, 8, 8, 1) / 16 * 255)
    large = np.kron(steps, np.ones((1, scale, scale, 1)))
    return (large / 255).astype("float32"), labels[order].astype("int64")


def texts(count: int = 2400):
    """Generated opinions: a word praises or condemns, and "not" turns it round.

    Returns:
        A tuple `(tokens, labels, sentences)`: int32 of shape `(count, 12)` as a
        regex tokenizer with start and padding writes them, 0 (bad) or 1 (good),
        and the sentences.
    """
    generator = np.random.default_rng(0)
    index = {word: i for i, word in enumerate(VOCABULARY)}
    tokens = np.zeros((count, WORDS_PER_TEXT), "int32")
    labels = np.zeros(count, "int64")
    sentences = []
    for i in range(count):
        good, negated = generator.integers(0, 2, 2)
        words = list(generator.choice(FILLERS, generator.integers(2, 7)))
        opinion = [generator.choice(GOOD if good else BAD)]
        if negated:
            opinion.insert(0, "not")
        words[1:1] = [generator.choice(PLACES)]
        words += opinion
        sentences.append(" ".join(words))
        tokens[i, : len(words) + 1] = [1, *(index[word] for word in words)]
        labels[i] = good != negated
    return tokens, labels, sentences


def grey_cnn():
    """Two convolutions over a grey 8×8 image."""
    image = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    y = layers.MaxPooling2D()(y)
    y = layers.Conv2D(32, 3, padding="same", activation="relu")(y)
    return keras.Model(image, layers.Dense(10, name="logits")(layers.Flatten()(y)))


def separable_cnn():
    """Separable convolutions, batch normalisation, a residual, average pooling."""
    image = keras.Input((16, 16, 1), name="image")
    y = layers.Conv2D(24, 3, strides=2, padding="same", use_bias=False)(image)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.SeparableConv2D(48, 3, padding="same", use_bias=False)(y)
    shortcut = y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    y = layers.SeparableConv2D(48, 3, padding="same", use_bias=False)(y)
    y = layers.ReLU(6.0)(layers.Add()([layers.BatchNormalization()(y), shortcut]))
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(image, layers.Dense(10, name="logits")(y))


@keras.saving.register_keras_serializable("tests.clients")
class Position(layers.Layer):
    """Adds a trained vector to each position."""

    def build(self, input_shape):
        self.table = self.add_weight(shape=input_shape[1:], initializer="normal")

    def call(self, x):
        return x + self.table


def vision_transformer():
    """Sixteen patches of 2×2 pixels, one block of attention, GELU."""
    image = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(32, 2, strides=2)(image)
    y = Position()(layers.Reshape((16, 32))(y))
    z = layers.LayerNormalization()(y)
    y = y + layers.MultiHeadAttention(2, 16)(z, z)
    z = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(y))
    y = layers.GlobalAveragePooling1D()(y + layers.Dense(32)(z))
    return keras.Model(image, layers.Dense(10, name="logits")(y))


def text_cnn():
    """An embedding and a convolution over its words; scores that sum to one."""
    tokens = keras.Input((WORDS_PER_TEXT,), dtype="int32", name="tokens")
    y = layers.Embedding(len(VOCABULARY), 32)(tokens)
    y = layers.Conv1D(32, 2, activation="relu")(y)
    y = layers.GlobalMaxPooling1D()(y)
    return keras.Model(tokens, layers.Dense(2, activation="softmax", name="scores")(y))


def lstm():
    """A digit read row by row."""
    rows = keras.Input((8, 8), name="rows")
    return keras.Model(rows, layers.Dense(10, name="logits")(layers.LSTM(48)(rows)))


def train(model, inputs, labels, epochs, rate=0.003):
    """A few epochs of Adam; logits or probabilities as the last layer has it."""
    activation = model.layers[-1].activation
    from_logits = activation is keras.activations.linear
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(inputs, labels, batch_size=32, epochs=epochs, verbose=0)
    return model
