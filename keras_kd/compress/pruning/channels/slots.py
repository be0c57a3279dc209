"""Channels that can only go together.

Each channel of each tensor is a slot. Where two tensors are added, channel by
channel, their slots become one; where a layer is not known, its slots are fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Slots:
    """Numbers that are united as channels turn out to hang together."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}
        self._table: np.ndarray | None = None

    def new(self, count: int) -> np.ndarray:
        """`count` slots that nothing is known of."""
        self._table = None
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    @property
    def count(self) -> int:
        """How many slots there are."""
        return len(self._parents)

    def roots(self, slots: Any) -> np.ndarray:
        """For each slot the one that stands for all it is united with."""
        if self._table is None:
            table, above = None, np.array(self._parents, int)
            while table is None or not np.array_equal(table, above):
                table, above = above, above[above]
            self._table = above
        return self._table[np.asarray(slots, int)]

    def unite(self, first: np.ndarray, second: np.ndarray) -> None:
        """Let the channels of two tensors go together, one by one."""
        for one, other in zip(first, second, strict=True):
            low, high = sorted((self._root(int(one)), self._root(int(other))))
            if low != high:
                self._table = None
                self._parents[high] = low
                reason = self._reasons.pop(high, None)
                if reason:
                    self._reasons.setdefault(low, reason)

    def fix(self, slots: np.ndarray, reason: str) -> None:
        """Let channels stay, for a reason."""
        for root in set(self.roots(slots)):
            self._reasons.setdefault(root, reason)

    def reason(self, root: int) -> str | None:
        """Why a channel stays, or None where it may go."""
        return self._reasons.get(self._root(int(root)))

    def _root(self, slot: int) -> int:
        parents = self._parents
        while parents[slot] != slot:
            parents[slot] = parents[parents[slot]]
            slot = parents[slot]
        return slot
