"""Embeddings of earlier batches, for losses that want many negatives."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_kd.layers.projection_head import unit_length
from keras_kd.registration import register
from keras_kd.validation import number, positive, positive_int

NOBODY = -1


@register
class MemoryBank(keras.layers.Layer):
    """Remembers embeddings of both sides and scores the batch's against them.

    Each side's embeddings are compared with the other side's memory: with the own
    example (the positive) and with others (the negatives). The score is
    `log(exp(w·x / temperature) / Z)`, where Z is the mean of `exp(t·s / temperature)`
    over the pairs of the first training batch, times `capacity`. The batch is
    written after it was compared: an own row becomes
    `momentum · row + (1 − momentum) · embedding`, of unit length. Gradients flow into
    the embeddings and never into the memory.

    An example keeps the slot `index % capacity`, so that a smaller memory is shared;
    a row that somebody else wrote is replaced, and the example's embedding of the
    batch stands in for it until then. Slots nobody wrote are no negatives.

    Two memories of `(capacity, units)` are held, written anew at each step. A batch
    of N makes two `(N, negatives)` matrices and no `(N, negatives, units)` tensor:
    where not all slots are compared, the batch shares those that are drawn. Several
    replicas are refused: each would remember a part of the batch.

    Args:
        capacity: int, the slots: the examples of the dataset, or fewer.
        negatives: int, how many slots are drawn for a batch, spread over those that
            are filled; or None for all of them. All as well where it is not below
            `capacity`. Defaults to 16384.
        momentum: float in [0, 1), how much of its row an example keeps. Defaults to
            0.5.
        temperature: positive float. Defaults to 0.07.
        by_class: bool. Slots of the example's own class are no negatives. Needs the
            batch's labels: class numbers or one-hot. Defaults to True.
        by_index: bool. Each example has its slot, which needs its `index` (see
            `pack_targets`). False is a ring of the latest `capacity` examples.
            Defaults to True.
        seed: int, of the drawn negatives. Defaults to None: another one each time.

    Input shape:
        Teacher's and student's embeddings `(batch, units)`, scaled to unit length
        here.

    Output shape:
        `[teacher's scores, student's scores]`, float32
        `(batch, 1 + negatives)`: the positive first; −∞ where there is no negative.

    Example:

    ```python
    memory = keras_kd.layers.MemoryBank(capacity=50, negatives=None)
    embeddings = keras.random.normal((2, 4, 16))
    classes, places = keras.ops.array([0, 1, 1, 2]), keras.ops.array([7, 30, 4, 49])
    scores = memory(*embeddings, labels=classes, index=places, training=True)
    scores[1].shape  # (4, 51)
    ```

    Reference:
        Tian, Krishnan, Isola. Contrastive Representation Distillation. ICLR 2020.
        https://arxiv.org/abs/1910.10699. There the memory starts as noise, of which Z
        is the mean, and negatives are drawn for each example; here it starts empty,
        and the batch shares its draws.
    """

    def __init__(
        self,
        capacity: int,
        negatives: int | None = 16384,
        momentum: float = 0.5,
        temperature: float = 0.07,
        by_class: bool = True,
        by_index: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ):
        # Scores of half precision would be too coarse, whatever the policy.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.capacity = positive_int("capacity", capacity)
        self.negatives = None
        if negatives is not None:
            self.negatives = positive_int("negatives", negatives)
        self.momentum = number("momentum", momentum, minimum=0.0, inclusive=True)
        if self.momentum >= 1.0:
            raise ValueError(
                f"`momentum` must be below 1. Received: momentum={momentum!r}."
            )
        self.temperature = positive("temperature", temperature)
        self.by_class = bool(by_class)
        self.by_index = bool(by_index)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, teacher_shape, student_shape):
        shapes = tuple(teacher_shape), tuple(student_shape)
        if shapes[0][1:] != shapes[1][1:] or len(shapes[0]) != 2 or not shapes[0][1]:
            raise ValueError(
                "MemoryBank takes embeddings (batch, units) of one width. Received: "
                f"teacher {shapes[0]}, student {shapes[1]}."
            )
        for side in ("teacher", "student"):
            memory = self._state(f"{side}_memory", (self.capacity, shapes[0][1]))
            setattr(self, f"{side}_memory", memory)
        self.owners = self._state("owners", (self.capacity,), "int32", NOBODY)
        self.log_z = self._state("log_z", ())
        if self.by_class:
            self.classes = self._state("classes", (self.capacity,), "int32", NOBODY)
        if not self.by_index:
            self.cursor = self._state("cursor", (), "int32")
        copies = getattr(self.owners.value, "values", None)
        if isinstance(copies, tuple) and len(copies) > 1:
            raise ValueError(
                "MemoryBank does not work under several replicas, each of which would "
                "remember its part of the batch alone: use a single device, or "
                "losses.InfoNCE, whose negatives are those of the batch."
            )

    def call(self, teacher, student, labels=None, index=None, training=False):
        teacher, student = (
            unit_length(ops.cast(x, "float32")) for x in (teacher, student)
        )
        classes = self._class_numbers(labels) if self.by_class else None
        slots, owners, mine = self._places(index, ops.shape(student)[0])
        chosen = self._drawn(training)
        counted = self._counted(chosen, classes, slots)
        log_z = self._log_z(teacher, student)
        scores: list = []
        rows: list = []
        for one, other, memory in (
            (teacher, student, self.student_memory),
            (student, teacher, self.teacher_memory),
        ):
            rows.insert(0, ops.take(memory, slots, axis=0))
            own = ops.where(mine[:, None], rows[0], ops.stop_gradient(other))
            right = ops.sum(one * own, axis=-1, keepdims=True)
            others = ops.take(memory, chosen, axis=0)
            wrong = ops.matmul(one, ops.transpose(others))
            wrong = ops.where(counted, wrong, -math.inf)
            cosines = ops.concatenate([right, wrong], axis=1)
            scores.append(cosines / self.temperature - log_z)
        if training:
            self.log_z.assign(log_z)
            self._write(self.teacher_memory, slots, self._moved(rows[0], teacher, mine))
            self._write(self.student_memory, slots, self._moved(rows[1], student, mine))
            self._write(self.owners, slots, owners)
            if self.by_class:
                self._write(self.classes, slots, classes)
            if not self.by_index:
                self.cursor.assign((slots[-1] + 1) % self.capacity)
        return scores

    def compute_output_shape(self, teacher_shape, student_shape):
        return [(shape[0], 1 + self._columns()) for shape in (teacher_shape,) * 2]

    def get_config(self):
        return {
            **super().get_config(),
            "capacity": self.capacity,
            "negatives": self.negatives,
            "momentum": self.momentum,
            "temperature": self.temperature,
            "by_class": self.by_class,
            "by_index": self.by_index,
            "seed": self.seed,
        }

    def _state(self, name, shape, dtype="float32", start=0):
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype,
            initializer=keras.initializers.Constant(start),
            trainable=False,
            autocast=False,
        )

    def _columns(self):
        few = self.negatives is not None and self.negatives < self.capacity
        return self.negatives if few else self.capacity

    def _class_numbers(self, labels):
        if labels is None:
            raise ValueError(
                "MemoryBank with by_class=True leaves the own class out and the batch "
                "has no labels: pass `y`, or by_class=False."
            )
        labels = ops.convert_to_tensor(labels)
        one_hot = len(labels.shape) == 2 and labels.shape[1] != 1
        numbers = ops.argmax(labels, axis=-1) if one_hot else ops.reshape(labels, (-1,))
        return ops.cast(numbers, "int32")

    def _places(self, index, batch):
        """Each example's slot, who it is, and whether the slot's row is its own."""
        if not self.by_index:
            slots = (self.cursor + ops.arange(batch, dtype="int32")) % self.capacity
            return slots, ops.zeros_like(slots), ops.zeros_like(slots, "bool")
        if index is None:
            raise ValueError(
                "MemoryBank keeps a slot per example, and the batch does not say which "
                "examples it holds: pass y=keras_kd.pack_targets(labels, "
                "index=np.arange(len(labels))), or by_index=False for a ring of the "
                "latest examples."
            )
        owners = ops.cast(ops.reshape(index, (-1,)), "int32")
        slots = owners % self.capacity
        return slots, owners, ops.equal(ops.take(self.owners, slots), owners)

    def _drawn(self, training):
        """The slots that the batch is compared with: filled ones, or all of them."""
        if self._columns() == self.capacity:
            return ops.arange(self.capacity, dtype="int32")
        # One from each of as many stretches of the filled slots; the middle of it in
        # inference.
        columns, inside = self._columns(), 0.5
        if training:
            inside = keras.random.uniform((columns,), seed=self.seed_generator)
        share = (ops.arange(columns, dtype="float32") + inside) / columns
        filled = ops.not_equal(self.owners, NOBODY)
        rank = ops.cumsum(ops.cast(filled, "int32"))
        wanted = ops.cast(share * ops.cast(rank[-1], "float32"), "int32")
        wanted = ops.minimum(wanted, ops.maximum(rank[-1] - 1, 0))
        # The filled slots in a row, and one place more for all the others. (Under XLA
        # `searchsorted` compares each draw with each slot.)
        places = ops.where(filled, rank - 1, self.capacity)[:, None]
        slots = ops.arange(self.capacity, dtype="int32")
        row = ops.zeros((self.capacity + 1,), dtype="int32")
        return ops.take(ops.scatter_update(row, places, slots), wanted)

    def _counted(self, chosen, classes, slots):
        """`(batch, chosen)`: which of the slots are negatives of which example."""
        filled = ops.not_equal(ops.take(self.owners, chosen), NOBODY)[None]
        if self.by_class:
            strangers = ops.take(self.classes, chosen)[None] != classes[:, None]
        elif self.by_index:
            strangers = chosen[None] != slots[:, None]
        else:
            strangers = ops.ones_like(slots[:, None], "bool")
        return ops.logical_and(filled, strangers)

    def _log_z(self, teacher, student):
        """log Z: what is stored, or before that what the first batch says."""
        pairs = ops.matmul(teacher, ops.transpose(student)) / self.temperature
        mean = ops.logsumexp(pairs) - ops.log(ops.cast(ops.size(pairs), "float32"))
        first = ops.stop_gradient(mean) + math.log(self.capacity)
        started = ops.any(ops.not_equal(self.owners, NOBODY))
        return ops.where(started, ops.convert_to_tensor(self.log_z), first)

    def _moved(self, row, embedding, mine):
        """What an own row becomes, or the embedding where it was somebody else's."""
        blend = self.momentum * row + (1.0 - self.momentum) * embedding
        moved = ops.where(mine[:, None], unit_length(blend), embedding)
        return ops.stop_gradient(moved)

    def _write(self, variable, slots, values):
        variable.assign(ops.scatter_update(variable, slots[:, None], values))
