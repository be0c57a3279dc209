"""Batch normalization whose moving statistics stop moving."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_kd.compress.weights import copy_weights
from keras_kd.registration import register


@register
class FreezingBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that trains as it will infer, after a number of steps.

    From then on training, too, normalizes by the moving mean and variance, which
    stay as they are; scale and offset go on learning. What the file computes is
    then what is trained.

    Args:
        freeze_after: Integer, in training steps, or None for never. Defaults to
            `None`.
        **kwargs: As `keras.layers.BatchNormalization` takes them.

    Example:

    ```python
    layer = FreezingBatchNormalization(freeze_after=0)
    layer(5.0 * keras.ops.ones((2, 3)), training=True)
    float(layer.moving_mean[0])  # 0.0
    ```
    """

    def __init__(self, freeze_after: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.freeze_after = freeze_after

    def build(self, input_shape: Any) -> None:
        """Make the statistics, and the count of the training steps."""
        super().build(input_shape)
        self.steps = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name="steps",
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The normalized inputs."""
        if not (training and self.trainable) or self.freeze_after is None:
            return super().call(inputs, training=training, mask=mask)
        frozen = self.steps.value >= self.freeze_after
        moving = (self.moving_mean, self.moving_variance)
        before = [ops.copy(variable) for variable in moving]
        outputs = ops.where(
            frozen,
            super().call(inputs, training=False),
            super().call(inputs, training=True, mask=mask),
        )
        for variable, value in zip(moving, before, strict=True):
            variable.assign(ops.where(frozen, value, variable.value))
        self.steps.assign(self.steps.value + 1.0)
        return outputs

    def stripped(self, keep: str | None = None) -> keras.layers.BatchNormalization:
        """Keras's own layer."""
        config = self.get_config()
        config.pop("freeze_after")
        layer = keras.layers.BatchNormalization.from_config(config)
        layer.build_from_config(self.get_build_config())
        for ours, theirs in zip(layer.weights, self._theirs(), strict=True):
            ours.assign(theirs)
        return layer

    def _theirs(self) -> list[Any]:
        """The variables that Keras's own layer has."""
        return [variable for variable in self.weights if variable is not self.steps]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "freeze_after": self.freeze_after}


def freezing(
    layer: keras.layers.BatchNormalization, freeze_after: int | None
) -> FreezingBatchNormalization:
    """A copy of a built batch normalization that freezes.

    Args:
        layer: A built `keras.layers.BatchNormalization`, freezing or not.
        freeze_after: As in `FreezingBatchNormalization`.
    """
    config = {**layer.get_config(), "freeze_after": freeze_after}
    new = FreezingBatchNormalization.from_config(config)
    new.build_from_config(layer.get_build_config())
    if isinstance(layer, FreezingBatchNormalization):
        copy_weights(layer, new)
    else:
        for ours, theirs in zip(new._theirs(), layer.weights, strict=True):
            ours.assign(theirs)
    return new
