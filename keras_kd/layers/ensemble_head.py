"""One answer from several: logits weighed by a gate."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_kd.registration import register


@register
class EnsembleHead(keras.layers.Layer):
    """Weighs the logits of several peers or branches, each example by a gate.

        Σ_k g_k z_k,   g = softmax(ReLU(BN(W f)))

    `f` is a feature that the branches share, as published, or, where there is none,
    their logits side by side. Gradients flow through gate and logits.

    Args:
        shared_feature: bool. The first input is `f`, a vector, or a map or tokens,
            which are averaged over their positions. Defaults to False.
        normalize: bool. Batch normalization and ReLU before the softmax, as in the
            authors' code. Defaults to True.

    Input shape:
        A list of logits, `(batch, classes)` each; with `shared_feature` the feature,
        `(batch, ..., features)`, before them.

    Output shape:
        `(batch, classes)`, in the layer's compute dtype.

    Example:

    ```python
    head = keras_kd.layers.EnsembleHead()
    head([keras.random.normal((4, 5)), keras.random.normal((4, 5))]).shape  # (4, 5)
    ```

    Reference:
        Lan, Zhu, Gong. Knowledge Distillation by On-the-Fly Native Ensemble. NeurIPS
        2018. https://arxiv.org/abs/1806.04606
    """

    def __init__(
        self, shared_feature: bool = False, normalize: bool = True, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.shared_feature = bool(shared_feature)
        self.normalize = bool(normalize)
        self.gate: keras.layers.Layer | None = None
        # In float32, as every softmax that decides; PyTorch's momentum and epsilon.
        self.norm = (
            keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype="float32", name="norm"
            )
            if self.normalize
            else None
        )

    def build(self, input_shape):
        logits = self._logits(input_shape)
        feature = input_shape[0]
        one_shape = len({tuple(shape[1:]) for shape in logits}) == 1
        known = one_shape and len(logits[0]) == 2 and logits[0][-1] is not None
        if len(logits) < 2 or not known or len(feature) < 2 or feature[-1] is None:
            before = "a feature and then " if self.shared_feature else ""
            raise ValueError(
                f"EnsembleHead takes a list of {before}two or more logits (batch, "
                "classes) of one known shape. Received the shapes "
                f"{[tuple(shape) for shape in input_shape]}."
            )
        width = feature[-1] if self.shared_feature else len(logits) * logits[0][-1]
        # The normalization takes a bias away, and has its own.
        self.gate = keras.layers.Dense(
            len(logits), use_bias=not self.normalize, dtype="float32", name="gate"
        )
        self.gate.build((None, width))
        if self.norm is not None:
            self.norm.build((None, len(logits)))

    def call(self, inputs, training=False):
        logits = self._logits(inputs)
        seen = inputs[0] if self.shared_feature else ops.concatenate(logits, axis=-1)
        if len(seen.shape) > 2:
            seen = ops.mean(seen, axis=tuple(range(1, len(seen.shape) - 1)))
        gate: Any = self.gate
        weights = gate(seen)
        if self.norm is not None:
            weights = ops.relu(self.norm(weights, training=training))
        weights = ops.cast(ops.softmax(weights, axis=-1), self.compute_dtype)
        parts = ops.stack([ops.cast(z, self.compute_dtype) for z in logits], axis=1)
        return ops.sum(ops.expand_dims(weights, -1) * parts, axis=1)

    def compute_output_shape(self, input_shape):
        return tuple(self._logits(input_shape)[0])

    def get_config(self):
        return {
            **super().get_config(),
            "shared_feature": self.shared_feature,
            "normalize": self.normalize,
        }

    def _logits(self, inputs):
        return list(inputs)[1:] if self.shared_feature else list(inputs)
