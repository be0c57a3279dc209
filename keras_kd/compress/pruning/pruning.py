"""Pruning: a share of the weights is zero, and stays zero in the exported file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_kd.compress.kernels import EMBEDDINGS, Kernel, is_depthwise, kernels_of
from keras_kd.compress.pruning.channels.surgery import prune_channels
from keras_kd.compress.pruning.masks import input_axes, magnitude_mask, two_of_four_mask
from keras_kd.compress.pruning.schedules import (
    FixedSparsity,
    SparsitySchedule,
    schedule_of,
)
from keras_kd.compress.rewrite import replace_layers
from keras_kd.compress.selection import (
    calls_of,
    chosen,
    kernel_values,
    refuse_order,
)
from keras_kd.compress.weights import WeightTransform, core_of, with_transforms
from keras_kd.registration import register
from keras_kd.validation import one_of, positive_int

METHODS = ("magnitude", "2:4", "channels")


@register
class PruningMask(WeightTransform):
    """Zero where the mask says so; the mask is made anew as a schedule says.

    A weight under the mask gets no gradient and keeps the value it had, so that it
    may come back while the schedule runs, if others have become smaller.

    Args:
        schedule: A `SparsitySchedule`, or what `schedule_of` takes.
        pattern: `"magnitude"` or `"2:4"`. Defaults to `"magnitude"`.
        min_weights: Integer. Kernels of fewer weights stay whole. Defaults to `1`.
        calls: Integer. How often the layer runs in one pass. Defaults to `1`.
        **kwargs: As `keras.layers.Layer` takes them.

    Reference: Zhu and Gupta, "To prune, or not to prune: exploring the efficacy of
    pruning for model compression", 2017, https://arxiv.org/abs/1710.01878
    """

    order = 0

    def __init__(
        self,
        schedule: Any,
        pattern: str = "magnitude",
        min_weights: int = 1,
        calls: int = 1,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if isinstance(schedule, dict):
            schedule = keras.saving.deserialize_keras_object(schedule)
        self.schedule: SparsitySchedule = schedule_of(schedule)
        self.pattern = one_of("pattern", pattern, METHODS[:2])
        self.min_weights = positive_int("min_weights", min_weights)
        self.calls = positive_int("calls", calls)
        self.active = False

    def adopt(self, kernel: Kernel) -> None:
        self.active = prunable(kernel, self.pattern, self.min_weights)
        super().adopt(kernel)
        if self.active and isinstance(self.schedule, FixedSparsity):
            self.mask.assign(self.renewed(kernel.variable.value, 0))

    def build(self, kernel_shape: Any) -> None:
        """Make the mask, all True, and the count of training passes."""
        if self.active:
            state = {"trainable": False, "aggregation": "only_first_replica"}
            self.mask = self.add_weight(
                name="mask",
                shape=kernel_shape,
                dtype="bool",
                initializer="ones",
                **state,
            )
            self.passes = self.add_weight(
                name="passes", shape=(), dtype="int32", initializer="zeros", **state
            )

    def renewed(self, kernel: Any, step: Any) -> Any:
        """The mask that a kernel gets at a step."""
        sparsity = self.schedule(step)
        if self.pattern == "2:4":
            return two_of_four_mask(kernel, sparsity, self.channel_axes)
        return magnitude_mask(kernel, sparsity)

    def call(self, kernel: Any, training: bool | None = None) -> Any:
        """The kernel with zeros; in training the schedule goes on by a step."""
        if not self.active:
            return kernel
        mask = self.mask.value
        if training and not isinstance(self.schedule, FixedSparsity):
            step = self.passes // self.calls
            first = self.passes % self.calls == 0
            mask = ops.cond(
                ops.logical_and(first, self.schedule.due(step)),
                lambda: self.renewed(ops.stop_gradient(kernel), step),
                lambda: self.mask.value,
            )
            self.mask.assign(mask)
            self.passes.assign_add(1)
        return ops.where(mask, kernel, ops.zeros_like(kernel))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "pattern": self.pattern,
            "min_weights": self.min_weights,
            "calls": self.calls,
        }


def prune(
    model: keras.Model,
    schedule: Any,
    method: str = "magnitude",
    *,
    skip: Iterable[str] | None = None,
    min_weights: int = 512,
    divisible_by: int = 1,
    score: str = "l2",
) -> keras.Model:
    """A model to train on that loses its smallest weights, or its least channels.

    `"magnitude"` and `"2:4"` give a model of the same shapes that is trained by
    `fit` or as the student of a Distiller; in training its masks follow the
    schedule, counted in training batches from here on. Afterwards `strip` gives the
    plain model with zeros for its pruned weights, which `gzip` and app stores
    compress well; the file itself and its speed stay as they were. For speed take
    `"channels"`: it gives at once a plain model with fewer channels, to be trained.

    Gradients do not pass through the mask: a pruned weight keeps its value unused,
    and may come back while the schedule runs (Zhu and Gupta, 2017). Depthwise
    kernels, embeddings under `"2:4"`, kernels of fewer than `min_weights` weights
    and the layers that give the outputs stay whole.

    Args:
        model: A built functional or Sequential model. It is not changed.
        schedule: How large the share of zeros is. A float: this share from the
            start, the masks made once from the weights as they are. A
            `PolynomialSparsity`, TFMOT's `PolynomialDecay` or `ConstantSparsity`,
            or a function of the step. For `"2:4"` 0.5, or a schedule that ends
            there. For `"channels"` a float, or a dict
            `{layer name: share of its channels}`.
        method: `"magnitude"`, `"2:4"` or `"channels"`. Defaults to `"magnitude"`.
        skip: List of names of layers to leave whole, in place of the layers that
            give the outputs: `[]` prunes these as well. Defaults to `None`.
        min_weights: Integer. Defaults to `512`. For the first two methods.
        divisible_by: Integer. The channels that are left are a multiple of it; 8
            suits the vector units of phones. Defaults to `1`. For `"channels"`.
        score: What makes a channel matter: `"l2"`, the norm of its weights, or
            `"gamma"`, the scale of its BatchNormalization. Defaults to `"l2"`. For
            `"channels"`.

    Returns:
        A functional `keras.Model` with weights of its own.

    Raises:
        TypeError: If `model` or `schedule` is of another kind.
        ValueError: If an argument is wrong, the model is subclassed, has been
            clustered or quantized before, or nothing of it can be pruned.

    Example:

    ```python
    from keras_kd.compress import PolynomialSparsity
    ramp = PolynomialSparsity(0.0, 0.8, begin_step=0, end_step=4, frequency=2)
    pruned = prune(student, ramp, min_weights=100)
    pruned.compile("adam", loss)
    pruned.fit(images, labels, batch_size=8, epochs=2, verbose=0)
    sparsity(pruned)["exit_1"]  # 0.8
    small = prune(student, 0.5, "channels")
    ```
    """
    one_of("method", method, METHODS)
    if method == "channels":
        return prune_channels(
            model, schedule, skip=skip, divisible_by=divisible_by, score=score
        )
    if isinstance(schedule, Mapping):
        raise TypeError(
            "`schedule` takes a share for each layer with method='channels' alone. "
            f"Received: schedule={schedule!r} with method={method!r}."
        )
    plan = schedule_of(schedule)
    if method == "2:4" and isinstance(plan, FixedSparsity) and plan.final != 0.5:
        raise ValueError(
            "`schedule` must be 0.5 with method='2:4': two of every four weights are "
            f"zero. Received: schedule={schedule!r}."
        )
    min_weights = positive_int("min_weights", min_weights)
    refuse_order(model, PruningMask.order, "prune")
    wanted = chosen(model, skip)
    calls = calls_of(model)
    found: list[str] = []

    def replace(layer: Any) -> Any:
        kernels = kernels_of(core_of(layer))
        if id(layer) not in wanted or not any(
            prunable(kernel, method, min_weights) for kernel in kernels
        ):
            return layer
        found.append(layer.name)
        mask = PruningMask(plan, method, min_weights, calls.get(id(layer), 1))
        return with_transforms(layer, [mask])

    pruned = replace_layers(model, replace)
    if not found:
        raise ValueError(
            f"`prune` found nothing to prune in {model.name!r}: no kernel of "
            f"{min_weights} weights or more outside the layers it leaves whole. "
            "Lower `min_weights`, or hand in `skip=[]`."
        )
    return pruned


def prunable(kernel: Kernel, pattern: str, min_weights: int) -> bool:
    """Whether a kernel can be pruned in this pattern."""
    shape = tuple(kernel.variable.shape)
    inputs = input_axes(kernel.variable, kernel.channel_axes)
    depthwise = is_depthwise(kernel.layer, kernel.variable)
    if depthwise or int(np.prod(shape)) < min_weights:
        return False
    if pattern == "2:4":
        embedding = kernel.variable.name == EMBEDDINGS
        return not embedding and bool(inputs) and shape[inputs[-1]] % 4 == 0
    return True


def sparsity(model: keras.Model) -> dict[str, float]:
    """The share of zeros in the kernels of each layer, as it would be exported.

    Args:
        model: A built `keras.Model`, pruned or plain.

    Returns:
        A dict from a layer's path to the share of zeros in its kernels.

    Example:

    ```python
    sparsity(prune(student, 0.5, skip=[], min_weights=1))["exit_1"]  # 0.5
    ```
    """
    shares = {}
    for path, values in kernel_values(model).items():
        values = [np.asarray(value) for value in values]
        zeros = sum(int((value == 0).sum()) for value in values)
        shares[path] = zeros / sum(value.size for value in values)
    return shares
