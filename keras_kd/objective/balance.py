"""Terms of one magnitude: a weight that means a share of the hard loss.

scale_k = m_hard / m_k         m ← decay · m + (1 − decay) · |value|
total   = hard_loss_weight · hard + Σ weight_k · scale_k · term_k
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_kd.registration import register
from keras_kd.validation import number

HARD_LOSS = "hard_loss"
GREATEST = 1e6
"""A term that has vanished is not blown up beyond this."""


@register
class MagnitudeBalance(keras.layers.Layer):
    """Scales each term so that its weight means a share of the hard loss.

    With `Distiller(..., balance=MagnitudeBalance())` a term of weight 1 counts as
    much as the hard loss, whatever its formula's unit. The weights of published
    recipes, 100 for a hint or 30,000 for PKT, bring a raw value to size for one pair
    of models and may swamp the labels of another; here pass shares instead, such as
    `methods.fitnets(taps, weight=1.0)`. A term that shrinks faster than the hard
    loss keeps its share: let a schedule lower the weight to let go of it.

    Where the hard loss does not count (weight 0, no labels, or off in a stage), the
    first term takes its place, unscaled. Logs keep the raw values. The means are
    variables without gradient: saved, resumed, and one for all replicas.

    Args:
        decay: float in [0, 1), of the running means, which are corrected for their
            beginning. Defaults to 0.99, about the last 100 steps.
        log_scales: bool. The logs have each scale, as `<term>_scale`. Defaults to
            False.

    Example:

    ```python
    distiller = keras_kd.Distiller(
        teacher,
        student,
        [keras_kd.DistillationTerm("mse", "backbone/block_2", "body", weight=0.5)],
        balance=MagnitudeBalance(log_scales=True),
    )
    ```
    """

    def __init__(self, decay: float = 0.99, log_scales: bool = False, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.decay = number("decay", decay, minimum=0.0, inclusive=True)
        if self.decay >= 1.0:
            raise ValueError(f"`decay` must be below 1. Received: decay={decay!r}.")
        self.log_scales = bool(log_scales)

    def build(self, input_shape):
        """Make the running means of as many values: the hard loss and the terms."""
        self.sums, self.counts = (
            self.add_weight(
                shape=tuple(input_shape),
                initializer="zeros",
                trainable=False,
                autocast=False,
                aggregation="mean",
                name=name,
            )
            for name in ("sums", "counts")
        )

    def build_for(self, count: int) -> None:
        """Build it, or check that it was built for as many values.

        Raises:
            ValueError: where it belongs to a Distiller with other terms.
        """
        if not self.built:
            self.build((count,))
        elif self.sums.shape != (count,):
            raise ValueError(
                f"This MagnitudeBalance was made for {self.sums.shape[0] - 1} terms, "
                f"and there are {count - 1}: give each Distiller its own."
            )

    def scales(
        self, names: list[str], values: Mapping[str, Any], hard_loss_weight: Any
    ) -> dict[str, Any]:
        """Take a step's values into the means, and return what the terms are scaled by.

        Args:
            names: of all the values, the hard loss first.
            values: scalars by name, without those that are off.
            hard_loss_weight: scalar; the hard loss is no reference where it is 0.

        Returns:
            Scalars by name, 1 for the hard loss.
        """
        on = np.array([name in values for name in names])
        zero = ops.zeros((), "float32")
        now = ops.stack([ops.cast(values.get(name, zero), "float32") for name in names])
        now = ops.abs(ops.stop_gradient(now))
        # An overflow, which the optimizer skips as well, would stay in the means.
        taken = ops.logical_and(on, ops.isfinite(now))
        kept = ops.where(taken, self.decay, 1.0)
        now = ops.where(taken, now, ops.zeros_like(now))
        self.sums.assign(kept * self.sums + (1.0 - kept) * now)
        self.counts.assign(kept * self.counts + (1.0 - kept))
        means = ops.divide_no_nan(self.sums, self.counts)
        terms = [i for i, name in enumerate(names) if on[i] and name != HARD_LOSS]
        reference = means[terms[0]] if terms else zero
        if HARD_LOSS in values:
            counts = ops.logical_and(means[0] > 0, ops.cast(hard_loss_weight, "bool"))
            reference = ops.where(counts, means[0], reference)
        scales = {HARD_LOSS: ops.ones(())}
        for i in terms:
            scale = ops.minimum(reference / ops.maximum(means[i], 1e-30), GREATEST)
            scales[names[i]] = ops.where(means[i] > 0, scale, ops.ones(()))
        return scales

    def get_config(self):
        return {
            **super().get_config(),
            "decay": self.decay,
            "log_scales": self.log_scales,
        }


def as_balance(balance: Any) -> MagnitudeBalance | None:
    """A balance, or None."""
    if balance is None or isinstance(balance, MagnitudeBalance):
        return balance
    raise TypeError(
        "`balance` must be a keras_kd.MagnitudeBalance or None. Received: "
        f"balance={balance!r}."
    )
