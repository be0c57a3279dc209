"""A layer whose kernels are replaced, on every call, by what transforms make of them.

Pruning masks, cluster centroids and fake quantization are all of this kind: a
function of the kernel, applied before its layer uses it,

    kernel → mask → centroids → fake quantization → layer

so that they add up in that order, gradients flow through, and taking them off
(`strip`) leaves the plain layer with the resulting kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_kd.compress.kernels import Kernel, kernels_of
from keras_kd.registration import register


class WeightTransform(keras.layers.Layer):
    """What is made of one kernel before its layer uses it.

    A subclass gives `call(kernel, training=None) -> kernel` of the same shape, and
    `build(kernel_shape)` if it keeps state. `order` is its place in the row: a
    transform is never put before one of a lower order. A transform that quantizes
    gives `quantize_aware`, the mode as a string.

    Args:
        **kwargs: As `keras.layers.Layer` takes them.

    Attributes:
        channel_axes: Tuple of the kernel's axes that belong to output channels; set
            before `build`.
    """

    order = 0
    quantize_aware: str | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channel_axes: tuple[int, ...] = ()

    def adopt(self, kernel: Kernel) -> None:
        """Build for a kernel, whose value may be read to start from."""
        self.channel_axes = kernel.channel_axes
        if not getattr(self, "built", False):
            self.build(tuple(kernel.variable.shape))
            self.built = True

    def compute_output_shape(self, kernel_shape: Any) -> Any:
        """The kernel's own shape."""
        return kernel_shape


@register
class TransformedWeights(keras.layers.Layer):
    """Calls a layer with its kernels replaced by what transforms make of them.

    Args:
        layer: A layer with kernels, most often a built one.
        transforms: List of `WeightTransform`, applied in this order to each
            kernel of the layer (each kernel gets copies with a state of its own).
        name: String. Defaults to the name of `layer`, so that paths of taps stay.
        **kwargs: As `keras.layers.Layer` takes them.

    Example:

    ```python
    layer = keras.layers.Dense(4)
    layer.build((None, 8))
    wrapped = TransformedWeights(layer, [])
    wrapped(keras.ops.ones((2, 8))).shape  # (2, 4)
    ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        transforms: Sequence[WeightTransform],
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(name=name or layer.name, **kwargs)
        self.layer = layer
        self.supports_masking = getattr(layer, "supports_masking", False)
        self._templates = [_serialized(transform) for transform in transforms]
        self.applied: list[WeightTransform] = []
        if layer.built:
            self._adopt()

    @property
    def transforms(self) -> list[list[WeightTransform]]:
        """For each kernel of the layer, its transforms in order."""
        count = len(self._templates)
        return [
            self.applied[i : i + count] for i in range(0, len(self.applied), count or 1)
        ]

    @property
    def quantize_aware(self) -> str | None:
        """The mode of the transform that quantizes, or None."""
        return next((t.quantize_aware for t in self.applied if t.quantize_aware), None)

    def build(self, inputs_shape: Any) -> None:
        """Build the layer, then its transforms."""
        if not self.layer.built:
            self.layer.build(inputs_shape)
        self._adopt()

    def _adopt(self) -> None:
        if not self.applied:
            for kernel in kernels_of(self.layer):
                for template in self._templates:
                    transform = keras.saving.deserialize_keras_object(template)
                    transform.adopt(kernel)
                    self.applied.append(transform)
        self.built = True

    def kernels(self, training: bool | None = None) -> list[tuple[Any, Any]]:
        """Pairs of a kernel's variable and the value that stands in for it."""
        values = []
        pairs = zip(kernels_of(self.layer), self.transforms, strict=False)
        for kernel, transforms in pairs:
            value = kernel.variable.value
            for transform in transforms:
                value = transform(value, training=training)
            values.append((kernel.variable, value))
        return values

    def call(
        self, inputs: Any, *args: Any, training: bool | None = None, **kwargs: Any
    ) -> Any:
        """The layer's call, with the kernels replaced."""
        if self.layer._call_has_training_arg:
            kwargs["training"] = training
        replaced = self.kernels(training)
        with keras.StatelessScope(replaced, collect_losses=True) as scope:
            outputs = self.layer(inputs, *args, **kwargs)
        # What else the layer keeps (moving statistics, seeds) is not to be lost.
        kept = {id(variable) for variable, _ in replaced}
        for variable in self.layer.variables:
            value = scope.get_current_value(variable)
            if id(variable) not in kept and value is not None:
                variable.assign(value)
        for loss in scope.losses:
            self.add_loss(loss)
        return outputs

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The layer's mask."""
        return self.layer.compute_mask(inputs, previous_mask)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer returns for symbolic inputs."""
        if not self.layer._call_has_training_arg:
            kwargs.pop("training", None)
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's output shape."""
        return self.layer.compute_output_shape(*args, **kwargs)

    def stripped(self, keep: str | None = None) -> keras.layers.Layer:
        """A plain copy of the layer with the replaced kernels for its own.

        Args:
            keep: Has no effect. A kernel that was rounded lies on a grid that
                exporters find again, so that no transform has to stay.
        """
        layer = copy_of(self.layer)
        kernels = zip(self.kernels(training=False), kernels_of(layer), strict=False)
        for (_, value), kernel in kernels:
            kernel.variable.assign(value)
        return layer

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "transforms": self._templates,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TransformedWeights:
        restore = keras.saving.deserialize_keras_object
        layer = restore(config.pop("layer"))
        transforms = [restore(transform) for transform in config.pop("transforms")]
        return cls(layer, transforms, **config)

    def get_build_config(self) -> dict[str, Any] | None:
        return self.layer.get_build_config()

    def build_from_config(self, config: dict[str, Any]) -> None:
        if not self.layer.built:
            self.layer.build_from_config(config)
        self._adopt()


def core_of(layer: Any) -> Any:
    """The layer inside a `TransformedWeights`, or the layer itself."""
    return layer.layer if isinstance(layer, TransformedWeights) else layer


def with_transforms(
    layer: keras.layers.Layer,
    transforms: Sequence[WeightTransform],
    **config: Any,
) -> TransformedWeights:
    """A built copy of a layer with further transforms on its kernels.

    Args:
        layer: A built layer, or a `TransformedWeights`, whose transforms and their
            states are kept. It is not changed.
        transforms: List of `WeightTransform` to add.
        **config: What is different in the configuration of the copied layer.

    Returns:
        A `TransformedWeights` of the same name.

    Raises:
        ValueError: If a transform has a lower order than one that is there.
    """
    before = layer if isinstance(layer, TransformedWeights) else None
    templates = [
        keras.saving.deserialize_keras_object(t)
        for t in (before._templates if before else [])
    ]
    for transform in transforms:
        for other in templates:
            if transform.order <= other.order:
                raise ValueError(
                    f"Layer {layer.name!r} has {type(other).__name__} on its "
                    f"kernels, after which {type(transform).__name__} cannot come. "
                    "The order is prune, cluster, quantize_aware."
                )
    new = TransformedWeights(
        copy_of(core_of(layer), **config),
        [*templates, *transforms],
        name=layer.name,
    )
    if before is not None:
        _take_states(new, before)
    return new


def copy_of(layer: keras.layers.Layer, **config: Any) -> keras.layers.Layer:
    """A built layer of the same weights and configuration, but for `config`."""
    if type(layer) is keras.layers.Lambda:
        # Keras does not read functions back that have no registered name.
        return keras.layers.Lambda(
            layer.function,
            layer._output_shape,
            layer.mask,
            layer.arguments,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
    copy = type(layer).from_config({**layer.get_config(), **config})
    if layer.built and not copy.built:
        shapes = layer.get_build_config()
        if shapes:
            copy.build_from_config(shapes)
    if layer.built and copy.built:
        copy_weights(layer, copy)
    return copy


def copy_weights(source: Any, target: Any) -> None:
    """Give every layer of `target` the state of its counterpart in `source`.

    Raises:
        ValueError: If the two are not built alike.
    """
    pairs = zip(source._flatten_layers(), target._flatten_layers(), strict=True)
    for old, new in pairs:
        store: dict[str, Any] = {}
        old.save_own_variables(store)
        if store:
            new.load_own_variables({k: keras.ops.copy(v) for k, v in store.items()})


def _take_states(target: TransformedWeights, source: TransformedWeights) -> None:
    for new, old in zip(target.transforms, source.transforms, strict=True):
        by_class = {type(transform): transform for transform in old}
        for transform in new:
            if type(transform) in by_class and transform.built:
                copy_weights(by_class[type(transform)], transform)


def _serialized(transform: Any) -> Any:
    if isinstance(transform, dict):
        return transform
    return keras.saving.serialize_keras_object(transform)
