"""Small networks of three kinds whose taps have the same names.

`stage_1`, `stage_2`, `stage_3` are maps after the activation, `stage_1_pre` … the same
before it, `stage_1_bn` … the batch normalization it came from (not in a ViT), `pooled`
is the last one's mean as a map of one position, `embedding` the same as a vector, on
which the classifier `logits` stands. A ViT's stages are its tokens laid out as a map;
`tokens_1` … are those tokens, `attention_1` … the layers before them.
Batch normalization forgets with momentum 0.9, since trainings are short.
"""

from __future__ import annotations

import dataclasses

import keras
from keras import layers

STAGES = (1, 2, 3)
HEADS = 4


@dataclasses.dataclass(frozen=True)
class Network:
    """What a network is made of.

    Args:
        kind: `"resnet"` (blocks of two 3×3 convolutions), `"mobilenet"` (a depthwise
            and a 1×1) or `"vit"` (a convolutional stem, then self-attention).
        widths: channels of the three stages; those of a ViT are one number.
        blocks: int, blocks per stage.
        strides: int, of the stem.
    """

    kind: str
    widths: tuple[int, int, int]
    blocks: int = 1
    strides: int = 2

    def build(self, name: str, image_shape, classes: int) -> keras.Model:
        """The network, with weights from Keras's current seed."""
        inputs = keras.Input(image_shape, name="image")
        stem = self.widths[0] // 2 if self.kind == "vit" else self.widths[0]
        x = layers.ReLU()(_convolution(inputs, stem, 3, self.strides))
        x = {"resnet": _resnet, "mobilenet": _mobilenet, "vit": _vit}[self.kind](
            x, self
        )
        x = layers.GlobalAveragePooling2D(keepdims=True, name="pooled")(x)
        x = layers.Flatten(name="embedding")(x)
        return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)

    def __str__(self) -> str:
        title = {"resnet": "ResNet", "mobilenet": "MobileNet", "vit": "ViT"}[self.kind]
        widths = "/".join(str(width) for width in dict.fromkeys(self.widths))
        return f"{title} of width {widths}, {self.blocks} per stage"


def _resnet(x, about: Network):
    for stage, block, width, last in _blocks(about):
        strides = 2 if stage > 1 and not block else 1
        y = layers.ReLU()(_convolution(x, width, 3, strides))
        y = _convolution(y, width, 3, name=f"stage_{stage}_bn" if last else None)
        if strides != 1 or x.shape[-1] != width:
            x = _convolution(x, width, 1, strides)
        x = layers.Add(name=f"stage_{stage}_pre" if last else None)([x, y])
        x = layers.ReLU(name=f"stage_{stage}" if last else None)(x)
    return x


def _mobilenet(x, about: Network):
    for stage, block, width, last in _blocks(about):
        strides = 2 if stage > 1 and not block else 1
        x = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = _convolution(x, width, 1, name=f"stage_{stage}_bn" if last else None)
        if last:
            x = layers.Identity(name=f"stage_{stage}_pre")(x)
        x = layers.ReLU(name=f"stage_{stage}" if last else None)(x)
    return x


def _vit(x, about: Network):
    width = about.widths[0]
    x = _convolution(x, width, 3, 2)
    # A depthwise convolution tells the tokens where they are.
    x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same")(x)])
    map_shape = x.shape[1:]
    x = layers.Reshape((-1, width))(x)
    for stage, _, width, last in _blocks(about):
        y = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(
            HEADS, width // HEADS, name=f"attention_{stage}" if last else None
        )
        x = layers.Add()([x, attention(y, y)])
        y = layers.Dense(2 * width, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add(name=f"tokens_{stage}" if last else None)(
            [x, layers.Dense(width)(y)]
        )
        if last:
            if stage == STAGES[-1]:
                x = layers.LayerNormalization()(x)
            x = layers.Reshape(map_shape, name=f"stage_{stage}_pre")(x)
            x = layers.Identity(name=f"stage_{stage}")(x)
            if stage != STAGES[-1]:
                x = layers.Reshape((-1, width))(x)
    return x


def _blocks(about: Network):
    """`(stage, block, width, whether it ends the stage)`."""
    for stage, width in zip(STAGES, about.widths, strict=True):
        for block in range(about.blocks):
            yield stage, block, width, block == about.blocks - 1


def _convolution(x, width: int, size: int, strides: int = 1, name=None):
    x = layers.Conv2D(width, size, strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9, name=name)(x)
