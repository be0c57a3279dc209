"""SimKD: the student is judged by the teacher's own classifier.

`reuse_classifier` builds that student; `simkd` has it follow the teacher's map.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras

from keras_kd.losses import Hint
from keras_kd.taps import require_built
from keras_kd.terms import DistillationTerm
from keras_kd.types import Number, Tap
from keras_kd.validation import positive_int

PROJECTOR, HEAD = "projector", "teacher_head"


@dataclasses.dataclass(frozen=True)
class ReuseCost:
    """What the teacher's classifier costs at inference, beside the student's own.

    Args:
        parameters: int, of the student with the projector and the teacher's head.
        multiply_adds: int, of its convolutions and dense layers, per example.
        plain_parameters, plain_multiply_adds: those of the student as it was.
    """

    parameters: int
    multiply_adds: int
    plain_parameters: int
    plain_multiply_adds: int

    @property
    def bytes(self) -> int:
        """Of the parameters in float32."""
        return 4 * self.parameters

    @property
    def added_bytes(self) -> int:
        """Those that the student did not have."""
        return 4 * (self.parameters - self.plain_parameters)

    def __str__(self) -> str:
        pairs = (
            ("parameters", self.plain_parameters, self.parameters),
            ("multiply-adds", self.plain_multiply_adds, self.multiply_adds),
            ("bytes in float32", 4 * self.plain_parameters, self.bytes),
        )
        return ", ".join(
            f"{what} {new:,} in place of {old:,} ({(new - old) / max(old, 1):+.1%})"
            for what, old, new in pairs
        )


def reuse_classifier(
    teacher: keras.Model,
    student: keras.Model,
    teacher_tap: Tap,
    student_tap: Tap,
    reduction: int = 2,
    name: str | None = None,
) -> tuple[keras.Model, ReuseCost]:
    """A student that ends in a frozen copy of the teacher's classifier.

    The student up to `student_tap`, then the projector (1×1, 3×3, 1×1 convolutions,
    each with batch normalization and ReLU), then everything that the teacher has after
    `teacher_tap`, copied and frozen: a plain functional model, to be trained with
    `simkd`, saved and exported. Where the sizes differ, the larger map is pooled. The
    student's layers are its own, trained in place; the teacher is left as it is.

    The classifier is not free: the second result says what it adds to the student at
    inference. A larger `reduction` makes the projector smaller.

    Args:
        teacher: a built functional or Sequential model.
        student: another; what stands after `student_tap` is left out.
        teacher_tap: a layer that gives the map before the teacher's pooling. A layer
            of the model itself, not of a model inside it; all paths to the output
            must pass it.
        student_tap: a layer that gives the student's last map, likewise.
        reduction: int, the teacher's channels over the projector's inner ones.
            Defaults to 2.
        name: str. Defaults to the student's name and `"_simkd"`.

    Returns:
        `(student, cost)`: the model and its `ReuseCost`, which prints as a sentence.

    Raises:
        ValueError: where a tap is not there or gives no map of known size, or the
            teacher's head cannot be cut off or takes maps of its own size alone.

    Example:

    ```python
    small = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")]
    )
    reused, cost = methods.reuse_classifier(teacher, small, "body", "conv")
    str(cost)  # "parameters 293 in place of 112 (+161.6%), …"
    distiller = Distiller(teacher, reused, methods.simkd("body"), hard_loss_weight=0)
    ```

    Reference:
        Chen, Mei, Zhang, Wang, Feng, Chen. Knowledge Distillation with the Reused
        Teacher Classifier. CVPR 2022. https://arxiv.org/abs/2203.14001
    """
    reduction = positive_int("reduction", reduction)
    target = _map_at("teacher", teacher, teacher_tap)
    source = _map_at("student", student, student_tap)
    pairs = zip(target.shape[1:3], source.shape[1:3], strict=True)
    size = tuple(min(pair) for pair in pairs)
    x = source
    if tuple(source.shape[1:3]) != size:
        x = _pooling(tuple(source.shape[1:3]), size)(x)
    x = _projected(x, target.shape[-1], reduction)
    head = _head(teacher, teacher_tap, tuple(x.shape[1:]))
    name = name or f"{student.name}_simkd"
    inputs = student.inputs[0] if len(student.inputs) == 1 else student.input
    reused = keras.Model(inputs, head(x), name=name)
    cost = ReuseCost(*_count(reused), *_count(student))
    return reused, cost


def simkd(
    teacher_tap: Tap, student_tap: Tap = PROJECTOR, weight: Number = 1.0
) -> list[DistillationTerm]:
    """The student's projected map follows the one that the teacher classifies.

    For a student that `reuse_classifier` built. Nothing else is learned from: pass
    `hard_loss_weight=0`, as in the paper. It serves pairs of different architectures
    as well, at the price that `ReuseCost` tells.

    Args:
        teacher_tap: the one given to `reuse_classifier`.
        student_tap: where the projector ends. Defaults to `"projector"`.
        weight: non-negative float or schedule. Defaults to 1.

    Returns:
        One term, `"simkd"`.

    Example:

    ```python
    reused, cost = methods.reuse_classifier(teacher, wide, "body", "body")
    distiller = Distiller(teacher, reused, methods.simkd("body"), hard_loss_weight=0)
    ```

    Reference:
        Chen, Mei, Zhang, Wang, Feng, Chen. Knowledge Distillation with the Reused
        Teacher Classifier. CVPR 2022. https://arxiv.org/abs/2203.14001
    """
    return [
        DistillationTerm(
            Hint("mse"),
            student_tap,
            teacher_tap,
            adapter=None,
            teacher_adapter=_teacher_pooling,
            weight=weight,
            name="simkd",
        )
    ]


def _map_at(side: str, model: keras.Model, tap: Tap) -> Any:
    """The symbolic map that a layer of a functional model gives."""
    require_built(model)
    try:
        output = model.get_layer(tap).output
    except (ValueError, AttributeError) as error:
        names = [layer.name for layer in getattr(model, "layers", [])]
        raise ValueError(
            f"`{side}_tap` must be a layer of {model.name!r} itself, a functional or "
            f"Sequential model. Received: {side}_tap={tap!r}. Available: {names}."
        ) from error
    if len(getattr(output, "shape", ())) != 4 or None in output.shape[1:]:
        raise ValueError(
            f"`{side}_tap` must give a map (batch, height, width, channels) of known "
            f"size. Received: {side}_tap={tap!r}, whose shape is "
            f"{getattr(output, 'shape', None)}."
        )
    return output


def _projected(x, channels, reduction):
    """1×1, 3×3 and 1×1 convolutions to the teacher's channels, by way of fewer."""
    inner = max(channels // reduction, 1)
    names = [f"{PROJECTOR}_relu_1", f"{PROJECTOR}_relu_2", PROJECTOR]
    for at, (filters, kernel) in enumerate([(inner, 1), (inner, 3), (channels, 1)]):
        x = keras.layers.Conv2D(
            filters,
            kernel,
            padding="same",
            use_bias=False,
            data_format="channels_last",
            name=f"{PROJECTOR}_conv_{at + 1}",
        )(x)
        x = keras.layers.BatchNormalization(name=f"{PROJECTOR}_norm_{at + 1}")(x)
        x = keras.layers.ReLU(name=names[at])(x)
    return x


def _head(teacher, tap, shape):
    """What the teacher does after a tap, copied for maps of `shape` and frozen."""
    # A copy of the whole is cut: cutting leaves nodes in the layers it goes through.
    whole = keras.models.clone_model(teacher)
    whole.set_weights(teacher.get_weights())
    try:
        own = keras.Model(whole.get_layer(tap).output, whole.output, name=HEAD)
        head = keras.models.clone_model(own, input_tensors=keras.Input(shape))
        head.set_weights(own.get_weights())
    except ValueError as error:
        raise ValueError(
            f"The teacher {teacher.name!r} has no classifier after {tap!r} that takes "
            f"maps {shape}: all paths to its output must pass that layer, and its "
            f"head must pool what comes. It said: {error}"
        ) from error
    head.trainable = False
    return head


def _pooling(old: tuple, new: tuple) -> keras.layers.Layer:
    """A layer of Keras's own that makes a map smaller."""
    if all(o % n == 0 for o, n in zip(old, new, strict=True)):
        factor = tuple(o // n for o, n in zip(old, new, strict=True))
        return keras.layers.AveragePooling2D(factor, data_format="channels_last")
    return keras.layers.Resizing(*new, data_format="channels_last")


def _teacher_pooling(student_shape: tuple, teacher_shape: tuple) -> Any:
    old, new = tuple(teacher_shape[1:3]), tuple(student_shape[1:3])
    return None if old == new else _pooling(old, new)


def _count(model: keras.Model) -> tuple[int, int]:
    """The parameters, and the multiply-adds of convolutions and dense layers."""
    adds = 0
    for layer in model._flatten_layers(include_self=False):
        output = getattr(layer, "output", None)
        if isinstance(layer, PRODUCTS) and output is not None:
            kernels = [w for w in layer.weights if w.path.endswith("kernel")]
            positions = math.prod(n or 1 for n in output.shape[1:-1])
            adds += positions * sum(math.prod(w.shape) for w in kernels)
    return model.count_params(), adds


PRODUCTS = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
