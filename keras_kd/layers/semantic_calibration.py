"""Which of a teacher's layers teaches which of a student's: a learned attention.

    α_ij = softmax_j(q_i · k_j / scale)

q_i of the student's feature i, k_j of the teacher's feature j, both of length 1.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_kd.layers.as_map import as_map, map_shape
from keras_kd.pooling import adaptive_average
from keras_kd.registration import register
from keras_kd.validation import positive, positive_int


@register
class SemanticCalibration(keras.layers.Layer):
    """Brings every student feature to every teacher feature, with a weight for each.

    The weights are an attention over the teacher's layers, for each example and each
    student layer: two dense layers and a norm of 1 make a query of a student's
    feature, and a key of a teacher's. The larger map of a pair is average-pooled to
    the smaller one's size, and the student's goes through a 1×1, a 3×3 and a 1×1
    convolution with batch normalization and ReLU between them. `losses.CrossLayer`
    takes what comes of it.

    Queries and keys are made of each example's mean over positions. In the paper
    they are made of its row in the batch's matrix of inner products, which wants
    batches of one size (`batch_size`) and makes an example's weights depend on its
    batch.

    Args:
        units: int, of queries and keys; half of the layer before them. Defaults to 16,
            the paper's for its batches of 64.
        batch_size: int, to compare inner products within the batch, as in the paper; a
            smaller batch is filled up with zeros. Defaults to None: means over
            positions.
        scale: positive float, the temperature of the attention. Since queries and keys
            have length 1, at the default no weight is more than e² times another.
            Defaults to 1.
        expansion: int, the channels between the convolutions, as a multiple of the
            teacher's. Defaults to 2.

    Call arguments:
        teacher, student: lists of features, two or more of the teacher: maps of known
            size, tokens on a square grid (a class token is left out), or vectors, which
            are maps of 1 × 1.

    Output shape:
        `[targets, guesses]`: a map for each pair, those of the first student layer
        first; at the end of the guesses the weights `(batch, students, teachers)`.

    Example:

    ```python
    calibration = keras_kd.layers.SemanticCalibration(units=8)
    maps = [keras.random.normal((2, 8, 8, 32)), keras.random.normal((2, 4, 4, 64))]
    targets, guesses = calibration(maps, [keras.random.normal((2, 6, 6, 16))])
    [x.shape for x in guesses]  # (2, 6, 6, 32), (2, 4, 4, 64), (2, 1, 2)
    ```

    Reference:
        Chen, Mei, Zhang, Wang, Wang, Feng, Chen. Cross-Layer Distillation with
        Semantic Calibration. AAAI 2021. https://arxiv.org/abs/2012.03236
    """

    def __init__(
        self,
        units: int = 16,
        batch_size: int | None = None,
        scale: float = 1.0,
        expansion: int = 2,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.batch_size = batch_size
        if batch_size is not None:
            self.batch_size = positive_int("batch_size", batch_size)
        self.scale = positive("scale", scale)
        self.expansion = positive_int("expansion", expansion)

    def build(self, teacher_shape, student_shape):
        of_teacher, of_student = _maps(teacher_shape, student_shape)
        self.keys = self._embeddings("key", of_teacher)
        self.queries = self._embeddings("query", of_student)
        self.projections = []
        for at, shape in enumerate(_met(of_teacher, of_student)):
            source = of_student[at // len(of_teacher)][-1]
            self.projections.append(self._projection(at, source, shape))

    def call(self, teacher, student, labels=None, index=None, training=False):
        weights = self.matching(teacher, student)
        teacher, student = [as_map(x) for x in teacher], [as_map(x) for x in student]
        targets, guesses = [], []
        for at, projection in enumerate(self.projections):
            x, y = student[at // len(teacher)], teacher[at % len(teacher)]
            size = _smaller(x.shape, y.shape)
            targets.append(adaptive_average(y, size))
            guesses.append(_projected(projection, adaptive_average(x, size), training))
        return [targets, [*guesses, weights]]

    def matching(self, teacher: Any, student: Any) -> Any:
        """How much each teacher layer teaches each student layer, example by example.

        Args:
            teacher, student: as in a call.

        Returns:
            Tensor `(batch, students, teachers)`, each row of which sums to one.
        """
        keys = self._embedded(self.keys, teacher)
        queries = self._embedded(self.queries, student)
        energies = ops.einsum("bid,bjd->bij", queries, keys)
        return ops.softmax(energies / self.scale, axis=-1)

    def compute_output_shape(self, teacher_shape, student_shape):
        of_teacher, of_student = _maps(teacher_shape, student_shape)
        shapes = _met(of_teacher, of_student)
        weights = (of_student[0][0], len(of_student), len(of_teacher))
        return [shapes, [*shapes, weights]]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "batch_size": self.batch_size,
            "scale": self.scale,
            "expansion": self.expansion,
        }

    def _embedded(self, embeddings, features):
        """Queries or keys: `(batch, features, units)`, each of length 1."""
        found = []
        for (first, second), x in zip(embeddings, features, strict=True):
            x = ops.cast(x, self.compute_dtype)
            x = second(first(self._described(x)))
            found.append(ops.normalize(x, axis=-1, order=2, epsilon=1e-6))
        return ops.stack(found, axis=1)

    def _described(self, x):
        """What an example is known by: its means, or what it shares with its batch."""
        if self.batch_size is None:
            return ops.mean(as_map(x), axis=(1, 2))
        rows = ops.reshape(as_map(x), (ops.shape(x)[0], -1))
        shared = ops.matmul(rows, ops.transpose(rows))[:, : self.batch_size]
        missing = self.batch_size - ops.shape(shared)[1]
        zeros = ops.zeros((ops.shape(x)[0], missing), shared.dtype)
        full = ops.concatenate([shared, zeros], axis=1)
        return ops.reshape(full, (-1, self.batch_size))

    def _embeddings(self, name, shapes):
        """Two dense layers for each feature of a side."""
        made = []
        for at, shape in enumerate(shapes):
            first, second = (
                keras.layers.Dense(
                    n, activation, dtype=self.dtype_policy, name=f"{name}_{at}_{part}"
                )
                for part, (n, activation) in enumerate(
                    [(2 * self.units, "relu"), (self.units, None)]
                )
            )
            first.build((shape[0], self.batch_size or shape[-1]))
            second.build((shape[0], 2 * self.units))
            made.append([first, second])
        return made

    def _projection(self, pair, channels, shape):
        """Convolutions and norms from a student's channels to a teacher's shape."""
        filters, dtype = shape[-1], self.dtype_policy
        wide = self.expansion * filters
        convolutions = [
            keras.layers.Conv2D(
                n,
                size,
                padding="same",
                use_bias=False,
                data_format="channels_last",
                dtype=dtype,
                name=f"projection_{pair}_{part}",
            )
            for part, (n, size) in enumerate([(wide, 1), (wide, 3), (filters, 1)])
        ]
        norms = [
            keras.layers.BatchNormalization(dtype=dtype, name=f"norm_{pair}_{part}")
            for part in range(2)
        ]
        for layer, n in zip(convolutions, (channels, wide, wide), strict=True):
            layer.build((*shape[:-1], n))
        for norm in norms:
            norm.build((*shape[:-1], wide))
        first, second, last = convolutions
        return [first, norms[0], second, norms[1], last]


def _projected(steps, x, training):
    first, first_norm, second, second_norm, last = steps
    x = ops.relu(first_norm(first(x), training=training))
    return last(ops.relu(second_norm(second(x), training=training)))


def _maps(*sides):
    """Both sides' shapes as maps; refused where a side is no list of features."""
    found = []
    for name, least, shapes in zip(("teacher", "student"), (2, 1), sides, strict=True):
        listed = all(isinstance(shape, (list, tuple)) for shape in shapes)
        maps = [map_shape(shape) for shape in shapes] if listed else []
        if len(maps) < least or None in maps:
            said = [tuple(s) for s in shapes] if listed else tuple(shapes)
            raise ValueError(
                f"SemanticCalibration takes {least} or more features of the {name}: "
                "maps (batch, height, width, channels) of known size, tokens (batch, "
                "tokens, channels) on a square grid, with or without a class token, or "
                f"vectors. Received the shape(s) {said}."
            )
        found.append(maps)
    return found


def _met(of_teacher, of_student):
    """The shape in which each pair is compared."""
    return [
        (student[0], *_smaller(student, teacher), teacher[-1])
        for student in of_student
        for teacher in of_teacher
    ]


def _smaller(one, other):
    """The height and width of the smaller of two maps, axis by axis."""
    return tuple(min(a, b) for a, b in zip(one[1:3], other[1:3], strict=True))
