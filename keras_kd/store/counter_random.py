"""Random numbers that belong to counters: the same again whoever asks, and when.

    bits(k, a, b) = mix(mix(mix(k) + a) + b)        mix: the finalizer of splitmix64

NumPy alone, so that labelling and training draw equal numbers on every machine.

Reference:
    Steele, Lea, Flood. Fast Splittable Pseudorandom Number Generators. OOPSLA 2014.
    https://doi.org/10.1145/2660193.2660195
"""

from __future__ import annotations

from typing import Any

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
ROUNDS = 4


def bits(key: int, *counters: Any) -> np.ndarray:
    """64 random bits for each place of the counters.

    Args:
        key: int, what tells one use from another.
        counters: integers or integer arrays, which are broadcast.

    Returns:
        uint64 array of the counters' common shape.
    """
    with np.errstate(over="ignore"):
        state = _mixed(np.asarray(key % 2**64, "uint64"))
        for counter in counters:
            state = _mixed(state + np.asarray(counter).astype("uint64"))
    return state


def uniform(key: int, *counters: Any) -> np.ndarray:
    """Float64 numbers from 0, included, to 1, excluded, as `bits` takes counters."""
    return (bits(key, *counters) >> np.uint64(11)) * 2.0**-53


def seeds(key: int, *counters: Any) -> np.ndarray:
    """Pairs of non-negative int32, as `tf.random.stateless_*` takes them.

    Returns:
        int32 array of the counters' shape with an axis of 2 at its end.
    """
    drawn = bits(key, *counters)
    halves = np.stack([drawn >> np.uint64(33), drawn & np.uint64(0x7FFFFFFF)], -1)
    return halves.astype("int32")


def permuted(places: Any, count: int, key: int) -> np.ndarray:
    """Where a random permutation of `0…count-1` sends `places`, without its table.

    A Feistel network over the next even power of two, walked until it lands inside:
    the memory does not grow with `count`.

    Args:
        places: int array, each at least 0 and below `count`.
        count: int.
        key: int; another key is another permutation.

    Returns:
        int64 array of the places' shape.

    Reference:
        Black, Rogaway. Ciphers with Arbitrary Finite Domains. CT-RSA 2002.
        https://doi.org/10.1007/3-540-45760-7_9
    """
    half = np.uint64(max((count - 1).bit_length() + 1, 2) // 2)
    low = (np.uint64(1) << half) - np.uint64(1)

    def scrambled(values):
        left, right = values >> half, values & low
        for turn in range(ROUNDS):
            left, right = right, left ^ (bits(key, turn, right) & low)
        return (left << half) | right

    values = scrambled(np.asarray(places).astype("uint64"))
    outside = values >= count
    while outside.any():
        values[outside] = scrambled(values[outside])
        outside = values >= count
    return values.astype("int64")


def _mixed(state: np.ndarray) -> np.ndarray:
    state = state + GOLDEN
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    return state ^ (state >> np.uint64(31))
