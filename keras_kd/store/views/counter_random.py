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
ROUNDS = 8


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


def uniform32(key: int, *counters: Any) -> np.ndarray:
    """`uniform` as float32 numbers, which rounding does not bring up to 1."""
    return ((bits(key, *counters) >> np.uint64(40)) * 2.0**-24).astype("float32")


def beta(alpha: float, key: int, *counters: Any) -> np.ndarray:
    """Float64 numbers of the distribution Beta(alpha, alpha), as `bits` takes counters.

    λ = g₁ / (g₁ + g₂)          g₁, g₂ ~ Gamma(alpha), by their logarithms

    Reference:
        Marsaglia, Tsang. A Simple Method for Generating Gamma Variables. ACM TOMS
        2000. https://doi.org/10.1145/358407.358414
    """
    first, second = (_log_gamma(alpha, key, turn, *counters) for turn in (0, 1))
    # Both may be below the smallest float; their ratio is not.
    return 1.0 / (1.0 + np.exp(np.clip(second - first, -700.0, 700.0)))


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


def _log_gamma(alpha: float, key: int, *counters: Any) -> np.ndarray:
    """Logarithms of Gamma(alpha): from Gamma(alpha + 1), by the power 1/alpha."""
    d = alpha + 1.0 - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    place = np.broadcast_arrays(*counters)
    drawn = np.full(place[0].shape, np.nan)
    turn = 0
    while np.isnan(drawn).any():
        a, b, u = (1.0 - uniform(key, *place, turn, part) for part in range(3))
        normal = np.sqrt(-2.0 * np.log(a)) * np.cos(2.0 * np.pi * b)
        v = np.maximum(1.0 + c * normal, 0.0) ** 3
        with np.errstate(divide="ignore"):
            taken = np.log(u) < 0.5 * normal**2 + d - d * v + d * np.log(v)
            value = np.log(d * v)
        drawn = np.where(np.isnan(drawn) & taken & (v > 0), value, drawn)
        turn += 1
    return drawn + np.log(1.0 - uniform(key, *place, 0, 3)) / alpha


def _mixed(state: np.ndarray) -> np.ndarray:
    state = state + GOLDEN
    state = (state ^ (state >> np.uint64(30))) * FIRST
    state = (state ^ (state >> np.uint64(27))) * SECOND
    return state ^ (state >> np.uint64(31))
