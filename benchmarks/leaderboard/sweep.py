"""All runs that are missing, seed after seed, while there is time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from .boards import Images
from .entries import Entry
from .records import Records
from .running import accuracy, run, trained_teacher


class Budget:
    """Minutes of wall time, or None for as long as it takes."""

    def __init__(self, minutes: float | None):
        self.end = None if minutes is None else time.perf_counter() + 60 * minutes
        self.longest = 0.0

    def allows(self) -> bool:
        """Whether a run as long as the longest so far would end in time."""
        return self.end is None or time.perf_counter() + self.longest < self.end

    def spent(self, seconds: float) -> None:
        """Learn how long a run takes."""
        self.longest = max(self.longest, seconds)


def sweep(
    boards: Sequence[Records],
    entries: Sequence[Entry],
    seeds: Iterable[int],
    budget: Budget,
) -> int:
    """Run what is not recorded yet; returns how many runs that were.

    The first seed of everything comes before the second, so that a budget that ends
    early leaves whole tables of fewer runs. A run that fails is named and left out,
    and the next call tries it again.
    """
    images: dict[Any, Images] = {}
    teachers: dict[str, Any] = {}
    count = 0
    for seed in seeds:
        for records in boards:
            board = records.board
            left = [
                entry
                for entry in entries
                if entry.suits(*board.kinds) and not records.done(entry, seed)
            ]
            if not left or not budget.allows():
                continue
            print(f"{board.name}, seed {seed}: {len(left)} runs", flush=True)
            if board.data not in images:
                images[board.data] = board.data.load()
            data = images[board.data]
            key = str(records.teacher.path)
            if key not in teachers:
                teachers[key] = trained_teacher(board, data, records.teacher)
            teacher = teachers[key]
            right = records.teacher_accuracy(
                lambda model=teacher, data=data: accuracy(model, data)
            )
            print(f"  teacher {right:.2%}", flush=True)
            for entry in left:
                if not budget.allows():
                    break
                count += _one(records, data, teacher, entry, seed, budget)
    return count


def _one(records, images, teacher, entry, seed, budget) -> int:
    begin = time.perf_counter()
    try:
        found = records.run(
            entry, seed, lambda: run(records.board, images, teacher, entry, seed)
        )
    except Exception as error:  # one method's fault does not stop the others
        said = str(error).splitlines() or [""]
        print(f"  {entry.name}: {type(error).__name__}: {said[0][:300]}", flush=True)
        return 0
    seconds = time.perf_counter() - begin
    budget.spent(seconds)
    lost = ", diverged" if found["diverged"] else ""
    print(f"  {entry.name}: {found['accuracy']:.2%}{lost}, {seconds:.0f} s", flush=True)
    return 1
