"""Projected gradient ascent: the batch, moved to where the student errs most.

    x₀ = x + δ₀,   ‖δ₀‖ ≤ ε drawn at random
    x_{k+1} = Π [ x_k + α · steepest(∇ −Σ_c p_c log q_c(x_k)) ]

q is what the student gives in inference mode, p is what it ought to give, and Π brings
back what lies further than ε from x, or beyond the range of an input.
"""

from __future__ import annotations

import math
import numbers

import keras
import tensorflow as tf
from keras import ops

from keras_kd.losses.logit.labels import class_numbers, is_class
from keras_kd.registration import register
from keras_kd.robust.balls import NORMS, drawn, projected, steepest
from keras_kd.taps import output_features, select
from keras_kd.terms import part_of
from keras_kd.types import OUTPUT, Tap
from keras_kd.validation import one_of, positive, positive_int
from keras_kd.views import View

OBJECTIVES = ("labels", "teacher", "student")


@register
class PGD(View):
    """A batch as an attacker shows it: close by, and answered as wrongly as can be.

    Each step takes `steps` passes of the student forth and back before the one that
    trains it. They run in inference mode and leave nothing behind: no statistics of
    `BatchNormalization`, no gradient, no random state. A resumed training draws what
    the uninterrupted one would have.

    Args:
        epsilon: positive float, how far an input may be moved, in its own units.
            Defaults to 8/255.
        steps: positive int. Defaults to 10.
        step_size: positive float. Defaults to None: `2.5 · epsilon / steps`, which
            reaches any place within `epsilon`, and with the other defaults is the
            2/255 of most papers.
        objective: what the student is driven away from: `"labels"`; `"teacher"`, its
            output for the batch itself; or `"student"`, the student's own output for
            the batch itself, which needs neither. Defaults to `"labels"`.
        norm: `"inf"`, how far any one pixel may move, or `"2"`, how far all may
            together. Defaults to `"inf"`.
        clip: `(low, high)`, the range of an input, or None. What lies outside of it
            is moved inwards alone. Defaults to `(0, 1)`.
        random_start: bool. Start at a random place within `epsilon`, and not at the
            input. Defaults to True.
        output: the output that is attacked, of a student with several
            (`"output/kind"`). Defaults to `"output"`.

    Raises:
        ValueError: for a value out of range. At the first batch, where the labels or
            the teacher that the objective wants are missing, or an input is not one
            tensor of floats.

    Example:

    ```python
    views = {"adversarial": keras_kd.robust.PGD(epsilon=0.1, steps=5)}
    Distiller(teacher, student, methods.ard(), hard_loss_weight=0.0, views=views)
    ```

    Reference:
        Madry, Makelov, Schmidt, Tsipras, Vladu. Towards Deep Learning Models Resistant
        to Adversarial Attacks. ICLR 2018. https://arxiv.org/abs/1706.06083
    """

    def __init__(
        self,
        epsilon: float = 8 / 255,
        steps: int = 10,
        step_size: float | None = None,
        objective: str = "labels",
        norm: str = "inf",
        clip: tuple[float, float] | None = (0.0, 1.0),
        random_start: bool = True,
        output: Tap = OUTPUT,
    ):
        self.epsilon = positive("epsilon", epsilon)
        self.steps = positive_int("steps", steps)
        self.step_size = None if step_size is None else positive("step_size", step_size)
        self.objective = one_of("objective", objective, OBJECTIVES)
        self.norm = one_of("norm", norm, NORMS)
        self.clip = None if clip is None else _range("clip", clip)
        self.random_start = bool(random_start)
        self.output = output

    def make(self, x, seen):
        x = _one_tensor(x)
        target = ops.stop_gradient(self._target(x, seen))
        step = self.step_size or 2.5 * self.epsilon / self.steps

        def ascended(index, moved):
            gradient = self._gradient(seen.student, moved, target)
            moved = moved + step * steepest(self.norm, gradient)
            return index + 1, self._allowed(x, moved)

        start = x
        if self.random_start:
            start = self._allowed(x, x + drawn(self.norm, x, self.epsilon, seen.seed))
        # A loop of the graph: the student's code stands in it once.
        _, moved = tf.while_loop(
            lambda index, moved: index < self.steps,
            ascended,
            (tf.constant(0), start),
            maximum_iterations=self.steps,
        )
        return tf.stop_gradient(tf.ensure_shape(moved, x.shape))

    def get_config(self):
        return {
            "epsilon": self.epsilon,
            "steps": self.steps,
            "step_size": self.step_size,
            "objective": self.objective,
            "norm": self.norm,
            "clip": self.clip,
            "random_start": self.random_start,
            "output": self.output,
        }

    def _allowed(self, x, moved):
        """What is close enough to `x`, and an input."""
        moved = x + projected(self.norm, moved - x, self.epsilon)
        if self.clip is None:
            return moved
        # An input outside of its range may stay: it is no further away for that.
        low, high = self.clip
        return ops.clip(moved, ops.minimum(x, low), ops.maximum(x, high))

    def _gradient(self, student, x, target):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            log_q = ops.log_softmax(self._logits(student(x, training=False)), axis=-1)
            gap = -ops.sum(target * log_q)
        return tape.gradient(gap, x)

    def _target(self, x, seen):
        """What the student ought to give, as probabilities."""
        if self.objective == "teacher":
            if seen.teacher is None:
                raise ValueError(
                    "PGD(objective='teacher') needs a teacher beside the student: use "
                    "objective='student', or 'labels'."
                )
            return ops.softmax(self._logits(seen.teacher[OUTPUT]), axis=-1)
        logits = self._logits(seen.student(x, training=False))
        if self.objective == "student":
            return ops.softmax(logits, axis=-1)
        if seen.labels is None:
            raise ValueError(
                "PGD(objective='labels') needs labels, and the batch has none: pass "
                "`y`, or use objective='teacher' or 'student'."
            )
        numbers = class_numbers("PGD", part_of(seen.labels, self.output), logits)
        return ops.cast(is_class(numbers, logits), logits.dtype)

    def _logits(self, outputs):
        return ops.cast(select(output_features(outputs), self.output), "float32")


def _one_tensor(x):
    if keras.tree.is_nested(x):
        raise ValueError(
            "PGD attacks one input, and the batch has several: "
            f"{keras.tree.map_structure(lambda part: tuple(part.shape), x)}."
        )
    x = tf.convert_to_tensor(x)
    if not x.dtype.is_floating:
        raise ValueError(
            f"PGD moves inputs by fractions: cast them to float32. Received: "
            f"{x.dtype.name}."
        )
    return x


def _range(name, value):
    """Two finite numbers, the first below the second."""
    given = tuple(value) if isinstance(value, (list, tuple)) else ()
    real = [isinstance(x, numbers.Real) and math.isfinite(x) for x in given]
    if len(given) != 2 or not all(real) or not given[0] < given[1]:
        raise ValueError(
            f"`{name}` must be a pair (low, high) with low < high, or None. "
            f"Received: {name}={value!r}."
        )
    return float(given[0]), float(given[1])
