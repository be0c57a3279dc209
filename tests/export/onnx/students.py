"""Further kinds of students, each of which once gave a wrong ONNX file, or none."""

import keras
import numpy as np
from keras import layers

from tests.export.students import STUDENTS, recurrent


def vision_transformer():
    """Patches, attention and the exact GELU, which ONNX has no operator for."""
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Reshape((4, 8))(layers.Conv2D(8, 4, strides=4)(x))
    z = layers.LayerNormalization()(y)
    y = layers.Add()([y, layers.MultiHeadAttention(2, 4)(z, z)])
    z = layers.Dense(16)(layers.LayerNormalization()(y))
    z = layers.Dense(8)(keras.ops.gelu(z, approximate=False))
    y = layers.GlobalAveragePooling1D()(layers.Add()([y, z]))
    return keras.Model(x, layers.Dense(3, name="logits")(y))


def text_transformer():
    """Tokens and a mask, both integers."""
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    mask = keras.Input((6,), dtype="int32", name="padding_mask")
    y = layers.Embedding(20, 8)(tokens)
    seen = keras.ops.cast(keras.ops.expand_dims(mask, 1), "bool")
    y = layers.Add()([y, layers.MultiHeadAttention(2, 4)(y, y, attention_mask=seen)])
    y = layers.Dense(2, name="mood")(layers.LayerNormalization()(y)[:, 0])
    return keras.Model({"tokens": tokens, "padding_mask": mask}, y)


def preprocessing():
    """Normalization, whose statistics are no variables, after augmentation."""
    x = keras.Input((8, 8, 3), name="image")
    statistics = layers.Normalization()
    statistics.adapt(np.random.default_rng(0).random((40, 8, 8, 3)))
    y = layers.RandomRotation(0.2)(layers.RandomFlip()(layers.Rescaling(1 / 2.0)(x)))
    y = layers.GaussianNoise(1.0)(layers.RandomContrast(0.5)(statistics(y)))
    y = layers.Dropout(0.5)(layers.Conv2D(4, 3)(y))
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))


def mobile():
    """What MobileNets and EfficientNets are made of, and GroupNormalization."""
    x = keras.Input((8, 8, 3), name="image")
    y = layers.BatchNormalization()(layers.SeparableConv2D(8, 3, use_bias=False)(x))
    y = layers.DepthwiseConv2D(3, padding="same")(layers.ReLU(6.0)(y))
    y = layers.Activation("hard_silu")(layers.GroupNormalization(2)(y))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(gate)
    y = layers.Conv2DTranspose(4, 2, strides=2)(layers.Multiply()([y, gate]))
    y = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(y))
    return keras.Model(x, y)


def both_ways():
    x = keras.Input((5, 3), name="steps")
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    return keras.Model(x, layers.Dense(2, name="head")(y))


def masked():
    x = keras.Input((5,), dtype="int32", name="tokens")
    y = layers.LSTM(4)(layers.Embedding(20, 4, mask_zero=True)(x))
    return keras.Model(x, layers.Dense(2, name="head")(y))


def idle():
    """An input that nothing reads, and a name that is taken inside the graph."""
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    return keras.Model([a, b], layers.Dense(2, name="const_zero")(a))


def open_sizes():
    x = keras.Input((None, None, 3), name="image")
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, padding="same")(x))
    return keras.Model(x, layers.Dense(2, name="head")(y))


LOOPS = {"gru": lambda: recurrent(layer=layers.GRU), "masked": masked}
"""Those that tf2onnx writes as a loop."""

ALL = (
    STUDENTS
    | {
        "vit": vision_transformer,
        "text": text_transformer,
        "preprocessing": preprocessing,
        "mobile": mobile,
        "lstm": recurrent,
        "both_ways": both_ways,
    }
    | LOOPS
)
if keras.version() >= "3.13":  # earlier ones refuse an input that nothing reads
    ALL["idle"] = idle
