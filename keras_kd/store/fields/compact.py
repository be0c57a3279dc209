"""The few largest logits of a row in a string of bits.

k classes             ⌈log₂ C⌉ bits each, the likeliest first
log of the tail mass  16 bits, a float16
k − 1 gaps            6 bits each from one logit to the next, on a scale that widens
                      with the gap; bits left over in the last byte go to the first gaps

    gap(code) = a ((1 + G / a)^(code / n) − 1)      code = 0 … n, a = 0.2, G = 24

Each code is chosen against the logits as they will be read, so that the roundings do
not add up. 1,000 classes, k = 10: 100 + 16 + 9·6 bits and 6 left over are 22 bytes.
"""

from __future__ import annotations

import functools

import numpy as np

GAP_BITS, TAIL_BITS = 6, 16
FINEST, WIDEST = 0.2, 24.0


class Codec:
    """Bits for `k` of `classes`.

    Args:
        classes: int.
        k: int, below `classes`.
    """

    def __init__(self, classes: int, k: int):
        self.k = k
        index = max((classes - 1).bit_length(), 1)
        used = k * index + TAIL_BITS + (k - 1) * GAP_BITS
        self.width = -(-used // 8)
        gaps = [GAP_BITS + (place < self.width * 8 - used) for place in range(k - 1)]
        self.bits = np.array([index] * k + [TAIL_BITS] + gaps)
        first = np.cumsum(self.bits) - self.bits
        # The four bytes in which each number lies, and its place among them.
        self._bytes = first[:, None] // 8 + np.arange(4)
        self._shift = (first % 8).astype("uint32")
        self._mask = ((1 << self.bits) - 1).astype("uint32")
        self._gaps = [_gaps(int(bits)) for bits in gaps]
        self._table = np.zeros((k - 1, 1 << (GAP_BITS + 1)), "float32")
        for row, table in zip(self._table, self._gaps, strict=True):
            row[: len(table)] = table

    def encode(
        self, indices: np.ndarray, logits: np.ndarray, tail: np.ndarray
    ) -> np.ndarray:
        """Rows of bytes.

        Args:
            indices: int array `(rows, k)`, the likeliest class first.
            logits: float array `(rows, k)`, falling.
            tail: float array `(rows,)`, the logarithm of the others' mass.

        Returns:
            uint8 array `(rows, width)`.
        """
        numbers = np.empty((len(indices), len(self.bits)), "uint32")
        numbers[:, : self.k] = indices
        numbers[:, self.k] = tail.astype("float16").view("uint16")
        read = np.zeros(len(indices))
        for place, table in enumerate(self._gaps):
            below = logits[:, 0] - logits[:, place + 1] - read
            code = np.searchsorted((table[1:] + table[:-1]) / 2, below)
            if place == 0:  # the top class stays alone at the top
                code = np.maximum(code, below > 0)
            numbers[:, self.k + 1 + place] = code
            read += table[code]
        most = int(self.bits.max())
        spread = numbers[:, :, None] >> np.arange(most, dtype="uint32") & np.uint32(1)
        bits = spread[:, np.arange(most) < self.bits[:, None]]
        return np.packbits(bits.astype("uint8"), axis=-1, bitorder="little")

    def decode(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(indices, logits, tail)` of `encode`, the largest logit 0."""
        padded = np.zeros((len(rows), self.width + 4), "uint8")
        padded[:, : self.width] = rows
        words = np.take(padded, self._bytes, axis=1).view("<u4")[..., 0]
        numbers = words >> self._shift & self._mask
        tail = numbers[:, self.k].astype("uint16").view("float16").astype("float32")
        logits = np.zeros((len(rows), self.k), "float32")
        gaps = self._table[np.arange(self.k - 1), numbers[:, self.k + 1 :]]
        np.cumsum(-gaps, axis=-1, out=logits[:, 1:])
        return numbers[:, : self.k].astype("int32"), logits, tail


@functools.lru_cache(maxsize=4)
def _gaps(bits: int) -> np.ndarray:
    """The gap of each code."""
    most = (1 << bits) - 1
    grown = np.log1p(WIDEST / FINEST) * np.arange(most + 1) / most
    return FINEST * np.expm1(grown)
