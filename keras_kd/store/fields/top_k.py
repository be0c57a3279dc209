"""The few largest probabilities of a teacher, and what they leave to the others.

With the logits z, T the temperature and the classes in falling order of z:

    p = softmax(z / T)        tail = log Σ_{c > k} p_c

kept: k classes, k numbers that fix the ratios of their p, and the tail. Read back:

    p_i = (1 − e^tail) · softmax(kept)_i    i ≤ k          p_c = e^tail / (C − k)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_kd.store.fields.compact import Codec
from keras_kd.store.fields.field import Closeness, Field, floats
from keras_kd.validation import one_of, positive, positive_int, several_classes

PRECISIONS = ("compact", "float16", "float32")
LEAST = -6e4
"""The logarithm that stands for a probability of nothing; float16 can hold it."""
CLOSENESS = {
    "compact": Closeness(cosine=0.999, difference=0.03),
    "float16": Closeness(cosine=1 - 1e-5, difference=2e-3),
    "float32": Closeness(cosine=1 - 1e-5, difference=1e-4),
}


class TopK(Field):
    """Logits by their `k` largest and the mass of the tail.

    Read back, they are logits over all classes, for any loss of logits. At the
    temperature at which they were kept, their softmax has the top k's probabilities as
    stored and the tail's mass as it was, spread evenly. At another temperature the
    ratios among the top k hold, but an even tail answers to it as the true one would
    not: it has too much mass above the stored temperature, and too little below.

    What is lost is how the tail is spread, so let the top k hold nearly all. Students
    of 100 classes trained with `hinton` (five seeds; 87.60 ± 0.29 % without a teacher):

    | temperature | k  | bytes | top k hold | from the top k | from all in float32 |
    |-------------|----|-------|------------|----------------|---------------------|
    | 1           | 10 | 18    | 99.9 %     | 89.19 ± 0.26 % | 89.18 ± 0.28 %      |
    | 2           | 10 | 18    | 97.0 %     | 89.99 ± 0.15 % | 89.94 ± 0.23 %      |
    | 4           | 30 | 50    | 88.9 %     | 90.44 ± 0.20 % | 90.56 ± 0.15 %      |
    | 4           | 10 | 18    | 70.2 %     | 89.68 ± 0.20 % | 90.56 ± 0.15 %      |

    Args:
        shape: tuple of ints `(…, classes)`, of one row.
        k: int, below the number of classes.
        precision: `"float32"` or `"float16"` (how far each is below the largest, and
            a float32 log-sum-exp that gives the logits their own height), or
            `"compact"` (a string of bits, see `fields.compact`; the height is lost).
            Defaults to `"compact"`.
        temperature: float. Defaults to 1.

    Raises:
        ValueError: with `k` classes or fewer.

    Example:

    ```python
    field = TopK((1000,), k=10)
    field.row_bytes  # 22
    field.decode(field.encode(np.zeros((4, 1000))))  # logits (4, 1000), float32
    ```

    Reference:
        Shen, Xing. A Fast Knowledge Distillation Framework for Visual Recognition.
        ECCV 2022. https://arxiv.org/abs/2112.01528
    """

    kind = "top_k"

    def __init__(
        self,
        shape: tuple[int, ...],
        k: int,
        precision: str = "compact",
        temperature: float = 1.0,
    ):
        super().__init__(shape)
        if not self.shape:
            raise ValueError(
                "The top k are taken of logits (…, classes). Received: ()."
            )
        several_classes("The top k", self.shape)
        self.k = positive_int("k", k)
        self.classes = self.shape[-1]
        if self.k >= self.classes:
            raise ValueError(
                f"`k` must be below the number of classes, {self.classes}; without it "
                f"all are kept. Received: k={k}, shape {self.shape}."
            )
        self.precision = one_of("precision", precision, PRECISIONS)
        self.temperature = positive("temperature", temperature)
        self._codec = Codec(self.classes, self.k)

    @property
    def arrays(self):
        leading = self.shape[:-1]
        if self.precision == "compact":
            return {"bits": ((*leading, self._codec.width), "uint8")}
        return {
            "values": ((*leading, self.k), self.precision),
            "indices": ((*leading, self.k), _unsigned(self.classes)),
            "tail": (leading, "float32"),
            "log_sum_exp": (leading, "float32"),
        }

    def encode(self, values):
        rows = len(values)
        indices, logs, tail, total = self._parts(values)
        if self.precision == "compact":
            parts = {"bits": self._codec.encode(indices, logs, tail)}
        else:
            parts = {
                "values": logs, "indices": indices, "tail": tail, "log_sum_exp": total
            }  # fmt: skip
        return {
            name: np.ascontiguousarray(parts[name].reshape(rows, *shape), dtype)
            for name, (shape, dtype) in self.arrays.items()
        }

    def decode(self, arrays):
        indices, logs, tail, total = self._read(arrays)
        others = tail[:, None] - np.log(np.float32(self.classes - self.k))
        temperature = np.float32(self.temperature)
        dense = np.empty((len(logs), self.classes), "float32")
        dense[:] = (others + total[:, None]) * temperature
        rows = np.arange(len(logs))[:, None]
        dense[rows, indices] = (logs + total[:, None]) * temperature
        return dense.reshape(_rows(arrays), *self.shape)

    def spec(self):
        return floats(self.shape)

    def pairs(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The rows as `losses.TopKDistillation` takes them, without the other classes.

        Args:
            arrays: the rows read.

        Returns:
            `{"values": …, "indices": …}`, probabilities at the stored temperature and
            their classes, both `(rows, …, k)`.
        """
        indices, logs, _, _ = self._read(arrays)
        shape = (_rows(arrays), *self.shape[:-1], self.k)
        return {
            "values": np.exp(logs).reshape(shape),
            "indices": indices.reshape(shape),
        }

    def pairs_spec(self) -> dict[str, Any]:
        """`pairs`'s result as `keras.KerasTensor`s with an open batch axis."""
        shape = (*self.shape[:-1], self.k)
        integers = keras.KerasTensor((None, *shape), "int32")
        return {"values": floats(shape), "indices": integers}

    def held(self, values: np.ndarray) -> float:
        """The mean probability that the top k have together, before they are kept.

        Args:
            values: logits `(rows, …, classes)`.
        """
        return float(np.mean(-np.expm1(self._parts(values)[2])))

    def comparable(self, arrays, values):
        """Probabilities of the stored classes and of the tail, stored and made again.

        Two classes of one probability may have changed places; that is no difference.
        """
        indices, logs, tail, _ = self._read(arrays)
        scaled = self._checked(values).astype("float64") / self.temperature
        again = np.exp(scaled - scaled.max(-1, keepdims=True))
        again /= again.sum(-1, keepdims=True)
        again = np.take_along_axis(again, indices, -1)
        shape = (len(values), *self.shape[:-1], self.k + 1)
        rest = np.clip(1 - again.sum(-1, keepdims=True), 0, 1)
        stored = np.concatenate([np.exp(logs), np.exp(tail)[:, None]], -1)
        again = np.concatenate([again, rest], -1).astype("float32")
        return stored.reshape(shape), again.reshape(shape)

    @property
    def closeness(self):
        return CLOSENESS[self.precision]

    def options(self):
        return {
            "k": self.k, "precision": self.precision, "temperature": self.temperature
        }  # fmt: skip

    def _checked(self, values):
        with np.errstate(over="ignore"):
            values = np.asarray(values).astype("float32", copy=False)
        values = values.reshape(-1, self.classes)
        if not np.isfinite(values.max(-1)).all():
            raise ValueError(
                "Logits kept by their top k must be numbers, with −infinity for a "
                "class at most. Received NaN, +infinity or a row of −infinity."
            )
        return values

    def _parts(self, values):
        """Of each position: classes, their logits below the largest, tail, log-sum-exp.

        All are of the logits divided by the temperature.
        """
        values = self._checked(values)
        indices = largest(values, self.k)
        height = values.max(-1, keepdims=True).astype("float64") / self.temperature
        top = np.take_along_axis(values, indices, -1) / self.temperature - height
        others = values.copy()
        np.put_along_axis(others, indices, -np.inf, -1)
        peak = np.maximum(others.max(-1, keepdims=True), np.finfo("float32").min)
        with np.errstate(divide="ignore", over="ignore"):  # others may have nothing
            others = np.exp((others - peak) / np.float32(self.temperature))
            others = np.log(others.sum(-1, keepdims=True, dtype="float64"))
        tail = peak.astype("float64") / self.temperature - height + others
        total = np.logaddexp(np.log(np.exp(top).sum(-1, keepdims=True)), tail)
        tail, total = np.maximum(tail - total, LEAST), total + height
        return indices, np.maximum(top, LEAST), tail[:, 0], total[:, 0]

    def _read(self, arrays):
        """Of each position: classes, log-probabilities that sum to one with the tail's.

        The last is the log-sum-exp, or zeros where it was not kept.
        """
        if self.precision == "compact":
            bits = arrays["bits"].reshape(-1, self._codec.width)
            indices, logs, tail = self._codec.decode(bits)
            total = np.zeros_like(tail)
        else:
            logs = arrays["values"].reshape(-1, self.k).astype("float32")
            indices = arrays["indices"].reshape(-1, self.k).astype("int32")
            tail, total = (
                arrays[name].reshape(-1).astype("float32", copy=False)
                for name in ("tail", "log_sum_exp")
            )
        share = np.log1p(-np.exp(np.minimum(tail, -1e-7)))
        logs += (share - np.log(np.exp(logs).sum(-1)))[:, None]
        return indices, logs, tail, total


def largest(values: np.ndarray, k: int) -> np.ndarray:
    """The places of the `k` largest of each row, falling; of equals the first.

    Args:
        values: float array `(rows, classes)`.
        k: int, below `classes`.

    Returns:
        int64 array `(rows, k)`.
    """
    classes = values.shape[-1]
    least = np.partition(values, classes - k, axis=-1)[:, classes - k, None]
    inside = values >= least
    tied = inside.sum(-1) > k
    indices = np.empty((len(values), k), "int64")
    # Where the k-th is unique, it and those above it are the k; else they are sorted.
    indices[~tied] = np.nonzero(inside[~tied])[1].reshape(-1, k)
    indices[tied] = np.argsort(-values[tied], axis=-1, kind="stable")[:, :k]
    found = np.take_along_axis(values, indices, -1)
    return np.take_along_axis(indices, np.argsort(-found, -1, kind="stable"), -1)


def _rows(arrays: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(arrays.values())))


def _unsigned(classes: int) -> str:
    """The smallest unsigned type that counts the classes."""
    return next(f"uint{bits}" for bits in (8, 16, 32) if classes <= 2**bits)
