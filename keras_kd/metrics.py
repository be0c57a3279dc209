"""How close the student is to its teacher."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from keras_kd.losses.logit import kl_divergence
from keras_kd.registration import register
from keras_kd.types import OUTPUT, Tap
from keras_kd.validation import positive, same_shape


class TeacherMetric(keras.metrics.MeanMetricWrapper):
    """A mean over examples of a function of the teacher's and the student's output.

    Given to `Distiller.compile(metrics=…)` beside ordinary metrics, it is fed the
    teacher's output where those get labels. `evaluate` runs the teacher only when
    such a metric asks for it.

    Args:
        function: `(teacher, student) -> (batch, ...)`.
        name: str.
        output: the output's tap, `"output"` or `"output/boxes"`.
        dtype: as in `keras.metrics.Metric`.
    """

    def __init__(self, function: Any, name: str, output: Tap = OUTPUT, dtype=None):
        super().__init__(function, name=name, dtype=dtype)
        self.output = output

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "output": self.output}


@register
class Agreement(TeacherMetric):
    """The share of examples whose top class is the teacher's.

    Args:
        name: str. Defaults to `"agreement"`.
        output: the output's tap. Defaults to `"output"`.
        dtype: as in `keras.metrics.Metric`.

    Example:

    ```python
    distiller.compile("adam", loss=loss, metrics=["accuracy", Agreement()])
    ```
    """

    def __init__(self, name: str = "agreement", output: Tap = OUTPUT, dtype=None):
        super().__init__(same_top_class, name, output, dtype)


@register
class TeacherStudentKL(TeacherMetric):
    """The mean divergence of the student's classes from the teacher's, in nats.

    `T² · KL(softmax(teacher / T) ‖ softmax(student / T))`, over logits.

    Args:
        temperature: positive float. Defaults to 1: the models as they are used.
        name: str. Defaults to `"teacher_student_kl"`.
        output: the output's tap. Defaults to `"output"`.
        dtype: as in `keras.metrics.Metric`.

    Example:

    ```python
    distiller.compile("adam", loss=loss, metrics=[TeacherStudentKL()])
    ```
    """

    def __init__(
        self,
        temperature: float = 1.0,
        name: str = "teacher_student_kl",
        output: Tap = OUTPUT,
        dtype=None,
    ):
        self.temperature = positive("temperature", temperature)
        super().__init__(self._divergence, name, output, dtype)

    def _divergence(self, teacher, student):
        """One value per position, so that masks and weights of positions fit."""
        same_shape(self.name, teacher.shape, student.shape)
        flat_teacher, flat_student = (
            ops.reshape(x, (-1, x.shape[-1])) for x in (teacher, student)
        )
        values = kl_divergence(flat_teacher, flat_student, self.temperature)
        return ops.reshape(values, ops.shape(student)[:-1])

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


def same_top_class(teacher: Any, student: Any) -> Any:
    """1.0 where both have the same largest class, else 0.0.

    Args:
        teacher, student: tensors `(batch, ..., classes)`; with a single class,
            both sides' signs are compared.

    Returns:
        Tensor `(batch, ...)`.
    """
    if student.shape[-1] == 1:
        same = ops.equal(teacher > 0, student > 0)[..., 0]
    else:
        same = ops.equal(ops.argmax(teacher, axis=-1), ops.argmax(student, axis=-1))
    return ops.cast(same, "float32")


def split_teacher_metrics(metrics: Any) -> tuple[Any, list[TeacherMetric]]:
    """What `compile` was given, as `(metrics for Keras, teacher metrics)`."""
    given = metrics if isinstance(metrics, (list, tuple)) else [metrics]
    of_teacher = [m for m in given if isinstance(m, TeacherMetric)]
    if not of_teacher:
        return metrics, []
    return [m for m in given if not isinstance(m, TeacherMetric)], of_teacher


def refuse_teacher_metrics(metrics: Any) -> None:
    """Refuse teacher metrics where Keras would feed them labels.

    Raises:
        ValueError: where there is one anywhere in the structure.
    """
    if any(isinstance(m, TeacherMetric) for m in keras.tree.flatten(metrics)):
        raise ValueError(
            "Teacher metrics such as Agreement belong in the list `metrics=[...]`; "
            "several outputs are told apart by Agreement(output='output/name')."
        )


def results_of(metrics: Iterable[keras.metrics.Metric]) -> dict[str, Any]:
    """What metrics say by name; compiled ones say nothing before labels came."""
    found: dict[str, Any] = {}
    for metric in metrics:
        if getattr(metric, "built", True):
            result = metric.result()
            found |= result if isinstance(result, dict) else {metric.name: result}
    return found
