"""Clustering: few different weights, which compress well and still learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_kd.compress.centroids import STARTS, borders_of, centroids_of
from keras_kd.compress.kernels import Kernel, kernels_of
from keras_kd.compress.pruning.pruning import PruningMask
from keras_kd.compress.rewrite import replace_layers
from keras_kd.compress.selection import chosen, leaves, refuse_order
from keras_kd.compress.weights import (
    TransformedWeights,
    WeightTransform,
    core_of,
    with_transforms,
)
from keras_kd.registration import register
from keras_kd.validation import one_of, positive_int


@register
class Centroids(WeightTransform):
    """Every weight replaced by the centroid that it belongs to.

    The centroids learn, each from the sum of its members' gradients; which weight
    belongs to which stays as it was found at the start.

    Args:
        clusters: Integer. How many different values a kernel has, zero included.
        min_weights: Integer. Kernels of fewer weights stay whole. Defaults to `1`.
        **kwargs: As `keras.layers.Layer` takes them.

    Reference: Han, Mao and Dally, "Deep Compression: Compressing Deep Neural
    Networks with Pruning, Trained Quantization and Huffman Coding", ICLR 2016,
    https://arxiv.org/abs/1510.00149
    """

    order = 1

    def __init__(self, clusters: int, min_weights: int = 1, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.clusters = clusters
        self.min_weights = min_weights
        self.active = False

    def adopt(self, kernel: Kernel) -> None:
        self.active = clusterable(kernel, self.min_weights)
        super().adopt(kernel)

    def build(self, kernel_shape: Any) -> None:
        """Make the centroids, and for each weight the number of its own."""
        if self.active:
            self.centroids = self.add_weight(
                name="centroids", shape=(self.clusters,), initializer="zeros"
            )
            # 0 is the value zero, which does not learn; n is centroid n - 1.
            self.members = self.add_weight(
                name="members",
                shape=kernel_shape,
                dtype="int32",
                initializer="zeros",
                trainable=False,
            )

    def begin(self, kernel: Any, start: str, zeros: bool, seed: int) -> None:
        """Find centroids and members for the values of a kernel.

        Args:
            kernel: Array, as what comes before leaves it.
            start: How the centroids begin.
            zeros: Boolean. Whether zeros stay zero, as one of the clusters.
            seed: Integer.
        """
        if not self.active:
            return
        kernel = np.asarray(kernel, "float32")
        free = kernel != 0 if zeros else np.ones(kernel.shape, bool)
        count = self.clusters - zeros
        found = centroids_of(kernel[free], count, start, seed)
        members = np.where(free, 1 + np.searchsorted(borders_of(found), kernel), 0)
        # A cluster that zero took leaves its place unused.
        self.centroids.assign(np.pad(found, (0, self.clusters - count)))
        self.members.assign(members.astype("int32"))

    def call(self, kernel: Any, training: bool | None = None) -> Any:
        """The centroids in the kernel's shape."""
        if not self.active:
            return kernel
        values = ops.concatenate([ops.zeros((1,)), self.centroids])
        clustered = ops.take(values, self.members, axis=0)
        # Zeros of a mask stay. The kernel takes part in nothing else, and a gradient
        # of zero tells so to an optimizer that would warn of none.
        return ops.where(kernel == 0, 0.0, clustered + 0.0 * kernel)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "clusters": self.clusters,
            "min_weights": self.min_weights,
        }


def cluster(
    model: keras.Model,
    clusters: int = 16,
    *,
    start: str = "linear",
    skip: Iterable[str] | None = (),
    min_weights: int = 512,
    seed: int = 0,
) -> keras.Model:
    """A model to train on whose kernels have few different weights.

    Each kernel's weights are gathered around centroids by k-means; the centroids
    go on learning, each from the sum of its members' gradients, the memberships
    stay (Deep Compression). `strip` then gives the plain model with at most
    `clusters` different values in each kernel, which `gzip` and app stores compress
    well. Zeros of a pruned model stay zero and count as one of the clusters.

    Args:
        model: A built functional or Sequential model, plain, or as `prune` gave it
            once its schedule is over. It is not changed.
        clusters: Integer of at least 2. Defaults to `16`.
        start: How k-means begins: `"linear"`, `"density"` or `"kmeans++"`. Defaults
            to `"linear"`.
        skip: List of names of layers to leave whole, or None for those that give
            the outputs. Defaults to none.
        min_weights: Integer. Kernels of fewer weights stay whole. Defaults to
            `512`.
        seed: Integer, of `start="kmeans++"`. Defaults to `0`.

    Returns:
        A functional `keras.Model` with weights of its own.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If an argument is wrong, the model is subclassed, has been
            clustered or quantized before, or has nothing to cluster.

    Example:

    ```python
    from keras_kd.compress import strip
    clustered = cluster(student, 8, min_weights=100)
    clustered.compile("adam", loss)
    clustered.fit(images, labels, verbose=0)
    kernel = strip(clustered).get_layer("exit_1").kernel
    len(set(keras.ops.convert_to_numpy(kernel).ravel()))  # 8
    ```
    """
    if positive_int("clusters", clusters) < 2:
        raise ValueError(
            f"`clusters` must be at least 2. Received: clusters={clusters}."
        )
    one_of("start", start, STARTS)
    min_weights = positive_int("min_weights", min_weights)
    refuse_order(model, Centroids.order, "cluster")
    wanted = chosen(model, skip)

    def replace(layer: Any) -> Any:
        kernels = kernels_of(core_of(layer))
        if id(layer) not in wanted or not any(
            clusterable(kernel, min_weights) for kernel in kernels
        ):
            return layer
        return with_transforms(layer, [Centroids(clusters, min_weights)])

    clustered = replace_layers(model, replace)
    found = False
    for _, layer in leaves(clustered):
        if isinstance(layer, TransformedWeights):
            found |= _begin(layer, start, seed)
    if not found:
        raise ValueError(
            f"`cluster` found nothing to cluster in {model.name!r}: no kernel of "
            f"{min_weights} weights or more. Lower `min_weights`."
        )
    return clustered


def clusterable(kernel: Kernel, min_weights: int) -> bool:
    """Whether a kernel is large enough."""
    return int(np.prod(kernel.variable.shape)) >= min_weights


def _begin(layer: TransformedWeights, start: str, seed: int) -> bool:
    found = False
    for kernel, transforms in zip(
        kernels_of(layer.layer), layer.transforms, strict=False
    ):
        value, pruned = kernel.variable.value, False
        for transform in transforms:
            if isinstance(transform, Centroids):
                zeros = pruned or bool(ops.any(value == 0))
                transform.begin(ops.convert_to_numpy(value), start, zeros, seed)
                found |= transform.active
            pruned |= isinstance(transform, PruningMask) and transform.active
            value = transform(value, training=False)
    return found
