"""Lines, or a bar in a terminal, that show how a labelling goes on."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

LINES, SOONEST, LATEST = 10, 1.0, 60.0
"""A line for each tenth of the rows; the least and the most seconds between two."""
BAR, REDRAWN = 24, 0.2
"""Characters of the bar, and seconds between two of them."""
WARM = 2.0
"""Seconds after which the first rate is told."""


class Progress:
    """Counts rows, and tells their rate and the time that is left.

    Args:
        rows: int, how many in all.
        kept: int, how many of them were there before. Defaults to 0.
        verbose: int, 0 for silence. Defaults to 1.
        stream: where to write. Defaults to None: the standard output.

    Example:

    ```python
    progress = Progress(rows=2048)
    progress.add(1024)
    progress.rate  # rows a second since the first
    ```
    """

    def __init__(
        self, rows: int, kept: int = 0, verbose: int = 1, stream: TextIO | None = None
    ):
        self.rows, self.kept, self.done = rows, kept, kept
        self.verbose = int(verbose)
        self.stream = sys.stdout if stream is None else stream
        self.drawn = bool(self.verbose and self.stream.isatty())
        self._begin = self._told = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._warm = False
        self._tenth = LINES * kept // max(rows, 1)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self._begin

    @property
    def rate(self) -> float | None:
        """Rows a second after the first batch, which waits for the teacher's start.

        None before the second.
        """
        if self._first is None or self.done == self._first[1]:
            return None
        since, before = self._first
        return (self.done - before) / max(time.perf_counter() - since, 1e-9)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.verbose:
            self._clear()
            print(text, file=self.stream, flush=True)

    def add(self, rows: int) -> None:
        """So many rows more are done."""
        self.done += rows
        now = time.perf_counter()
        if self._first is None:
            self._first = now, self.done
            return
        if not self._warm and now - self._first[0] > WARM:
            self._warm = True
            self.say(f"    the first batches: {self._pace()}")
        tenth = LINES * self.done // max(self.rows, 1)
        wait = SOONEST if tenth > self._tenth else LATEST
        if now - self._told < (REDRAWN if self.drawn else wait):
            return
        self._tenth, self._told = tenth, now
        if self.drawn:
            self._draw()
        else:
            self.say(f"    {self.done:,} of {self.rows:,} rows  {self._pace()}")

    def end(self) -> dict[str, Any]:
        """Rows, seconds and their ratio, all together; the bar is taken away."""
        self._clear()
        made, seconds = self.done - self.kept, self.seconds
        return {
            "rows": made,
            "seconds": seconds,
            "rows_per_second": made / max(seconds, 1e-9),
        }

    def _pace(self) -> str:
        rate = self.rate
        if not rate:
            return ""
        left = (self.rows - self.done) / rate
        return f"{rate:,.0f} rows/s  {duration(left)} left"

    def _draw(self) -> None:
        full = round(BAR * self.done / max(self.rows, 1))
        bar = "━" * full + "─" * (BAR - full)
        text = f"{bar} {self.done:,}/{self.rows:,}  {self._pace()}"
        print(f"\r\033[K    {text}", end="", file=self.stream, flush=True)

    def _clear(self) -> None:
        if self.drawn:
            print("\r\033[K", end="", file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """`"0.4 s"`, `"35 s"`, `"12 min"`, `"3 h 20 min"`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def size_of(count: int) -> str:
    """`"812 bytes"`, `"35.1 MB"`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 10 * scale or (unit == "kB" and count >= 1e4):
            return f"{count / scale:,.1f} {unit}"
    return f"{count:,} bytes"
