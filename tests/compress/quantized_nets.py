"""Small networks that between them have every operator that int8 training knows."""

import keras
import numpy as np
from keras import layers, ops

L = layers
SIZE = (16, 16, 3)


def conv_bn(x, filters, size=3, strides=1, activation="relu", layer=L.Conv2D, **kwargs):
    x = layer(filters, size, strides=strides, padding="same", use_bias=False)(x)
    x = L.BatchNormalization(**kwargs)(x)
    return L.Activation(activation)(x) if activation else x


def head(x, classes=10, **kwargs):
    return L.Dense(classes, name="head", **kwargs)(L.GlobalAveragePooling2D()(x))


def plain():
    """Convolutions, batch norm, max pooling, dropout, flatten."""
    x = y = keras.Input(SIZE)
    for filters in (8, 16):
        y = L.MaxPooling2D()(conv_bn(y, filters))
    y = L.Dropout(0.2)(L.Flatten()(y))
    return x, L.Dense(10)(L.Dense(16, activation="relu")(y))


def mobile():
    """Depthwise, separable, ReLU6 in three spellings, a softmax head, scaling."""
    x = keras.Input(SIZE)
    y = L.Rescaling(1 / 127.5, offset=-1)(x)
    y = L.Normalization(mean=[0.1, 0, -0.2], variance=[0.5, 1, 2])(y)
    y = L.ZeroPadding2D(((0, 1), (0, 1)))(y)
    y = L.Conv2D(8, 3, strides=2)(y)
    y = L.ReLU(6.0)(L.BatchNormalization()(y))
    y = L.DepthwiseConv2D(3, padding="same", use_bias=False, depth_multiplier=2)(y)
    y = L.Activation("relu6")(L.BatchNormalization()(y))
    y = conv_bn(y, 16, 1, activation=None)
    y = L.SeparableConv2D(24, 3, padding="same", activation="relu6")(y)
    y = L.SeparableConv2D(24, 3, strides=2, use_bias=False)(y)
    return x, head(ops.relu6(L.BatchNormalization()(y)), activation="softmax")


def residual():
    """Two branches that meet, batch normalization after the sum, three summands."""
    x = keras.Input(SIZE)
    y = conv_bn(x, 8)
    for filters in (8, 16):
        short = conv_bn(y, filters, 1, 2, activation=None)
        long = conv_bn(conv_bn(y, filters, 3, 2), filters, activation=None)
        y = L.ReLU()(L.Add()([short, long]))
    y = L.ReLU()(L.BatchNormalization()(y))
    z = L.Add()([y, L.Conv2D(16, 1)(y), L.Conv2D(16, 1, activation="swish")(y)])
    return x, head(L.Average()([z, y]))


def squeezed():
    """Squeeze and excite, hard-swish, hard-sigmoid; layers and operators."""
    x = keras.Input(SIZE)
    y = conv_bn(x, 8, strides=2, activation="hard_swish")
    gate = L.GlobalAveragePooling2D(keepdims=True)(y)
    gate = L.Conv2D(4, 1, activation="relu")(gate)
    gate = L.Conv2D(8, 1, activation="hard_sigmoid")(gate)
    y = conv_bn(L.Multiply()([y, gate]), 16, activation="hard_swish")
    gate = ops.mean(y, axis=(1, 2))
    gate = L.Dense(16, activation="sigmoid")(L.Dense(8, activation="silu")(gate))
    y = y * L.Reshape((1, 1, 16))(gate) + y
    y = y * (L.ReLU(6.0)(y + 3.0) * (1.0 / 6.0))
    return x, head(y - ops.sigmoid(y) / 2.0)


def encoder_decoder():
    """Transposed convolution, up-sampling, concatenation, average pooling, crop."""
    x = keras.Input(SIZE)
    a = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    b = L.Conv2D(16, 3, padding="same")(L.AveragePooling2D(2)(a))
    b = L.LeakyReLU()(b)
    up = L.Conv2DTranspose(8, 2, strides=2, activation="relu")(b)
    up = L.BatchNormalization()(L.Conv2DTranspose(8, 3, padding="same")(up))
    near = L.UpSampling2D(2)(b)
    smooth = L.UpSampling2D(2, interpolation="bilinear")(b)
    y = L.Concatenate()([up, a, near, smooth])
    y = L.Cropping2D(1)(y)[:, 1:, :, :]
    return x, L.Conv2D(4, 1)(y)


def sequence():
    """One-dimensional convolutions, causal and dilated, tanh and GELU."""
    x = keras.Input((32, 6))
    y = L.Conv1D(8, 3, padding="causal", activation="tanh")(x)
    y = L.MaxPooling1D()(L.ReLU()(L.BatchNormalization()(L.Conv1D(16, 3)(y))))
    y = L.Conv1D(16, 3, dilation_rate=2, activation="gelu")(y)
    y = L.BatchNormalization()(L.Dense(8)(L.AveragePooling1D(2)(y)))
    return x, L.Dense(6)(L.GlobalMaxPooling1D()(L.Permute((1, 2))(y)))


def perceptron():
    """Dense layers, with batch normalization and without."""
    x = keras.Input((24,))
    y = L.ReLU()(L.BatchNormalization()(L.Dense(32)(x)))
    y = L.BatchNormalization()(L.Dense(32, activation="relu")(y))
    return x, L.Dense(1, activation="sigmoid")(L.Dense(8, activation="swish")(y))


def nested():
    """A backbone in a backbone, a shared layer, augmentation."""
    small = keras.Input((8, 8, 8))
    block = keras.Model(small, conv_bn(small, 8, layer=L.Conv2D), name="block")
    inner = keras.Sequential(
        [
            keras.Input(SIZE),
            L.RandomFlip(),
            L.Conv2D(8, 3, strides=2, padding="same", name="stem"),
            L.BatchNormalization(),
            L.ReLU(),
        ],
        name="backbone",
    )
    x = keras.Input(SIZE)
    y = block(block(inner(x, training=False)))
    shared = L.Dense(8, activation="relu", name="shared")
    y = L.GlobalAveragePooling2D()(y)
    return x, L.Dense(5, name="head")(shared(shared(y)))


def first_activation():
    """Batch normalization before the convolution, as in DenseNet and ResNetV2."""
    x = keras.Input(SIZE)
    y = L.Conv2D(8, 3, padding="same", groups=1)(x)
    for _ in range(2):
        z = L.ReLU()(L.BatchNormalization()(y))
        z = L.Conv2D(8, 3, padding="same", dilation_rate=2)(z)
        y = L.Concatenate()([y, z])
    return x, head(L.ReLU()(L.BatchNormalization()(y)))


NETS = (
    plain,
    mobile,
    residual,
    squeezed,
    encoder_decoder,
    sequence,
    perceptron,
    nested,
    first_activation,
)


def make(build, seed=0):
    """The network, with statistics, scales and biases as if it were trained."""
    keras.utils.set_random_seed(seed)
    model = keras.Model(*build(), name=build.__name__.strip("<>"))
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, size))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, size))
            # Negative and zero scales happen; some initialize with zeros.
            layer.gamma.assign(rng.uniform(0.7, 1.3, size) * rng.choice([-1, 1], size))
            layer.gamma.assign(layer.gamma * (np.arange(size[0]) != 2))
            layer.beta.assign(rng.normal(0, 0.2, size))
        elif getattr(layer, "use_bias", False) and hasattr(layer, "bias"):
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return model


def samples(model, count=32, seed=1):
    rng = np.random.default_rng(seed)
    scale = 255 if model.name == "mobile" else 1
    x = rng.normal(size=(count, *model.input_shape[1:]))
    # Neighbours alike, as in pictures, and examples that differ.
    x = (x + 2 * np.roll(x, 1, 1)) / 3 + rng.normal(size=(count,) + (1,) * (x.ndim - 1))
    return np.clip(scale * (0.5 + x / 2) if scale > 1 else x, -3, 255).astype("float32")
