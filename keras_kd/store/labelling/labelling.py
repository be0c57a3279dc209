"""A teacher's pass over the data, planned, and done range by range."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from keras_kd.store.data.examples import as_examples
from keras_kd.store.fields import TopK
from keras_kd.store.labelling.estimate import outlook, require_room, store_bytes
from keras_kd.store.labelling.planning import Precision, planned
from keras_kd.store.labelling.progress import Progress, duration
from keras_kd.store.labelling.readiness import readied, refuse_what_cannot_label
from keras_kd.store.labelling.teaching import taught_batches
from keras_kd.store.manifest import Manifest
from keras_kd.store.remote import local_path
from keras_kd.store.rows.checksums import done_ranges
from keras_kd.store.rows.creation import create
from keras_kd.store.rows.ranges import RangeWriter
from keras_kd.store.views.augment import as_views
from keras_kd.teachers import as_teacher
from keras_kd.types import OUTPUT, Tap

ENOUGH = 0.95
"""The share of the probability that the top k should have."""


class Labelling:
    """A store that is made, or taken up again, and the teacher that fills it.

    Several processes may hold one of the same store, each for ranges of its own.

    Args: as `label`, without the shard.

    Attributes:
        manifest: the store's `Manifest`, as it stands on the disk.

    Raises:
        ValueError: where the arguments do not fit, or the store was begun for
            something else.
        StoreFullError: where the disk has no room.
    """

    def __init__(
        self,
        teacher: Any,
        data: Any,
        directory: str | os.PathLike[str],
        taps: Sequence[Tap] = (OUTPUT,),
        top_k: int | None = None,
        views: int = 1,
        augment: Any = None,
        precision: Precision = None,
        temperature: float = 1.0,
        batch_size: int = 64,
        seed: int = 0,
        range_rows: int = 1024,
        verbose: int = 1,
    ):
        self.verbose = int(verbose)
        self.teacher = as_teacher(teacher)
        refuse_what_cannot_label(self.teacher)
        self.examples, self.making = as_examples(data), as_views(augment)
        self.folder = local_path(directory)
        wanted = planned(
            self.teacher, self.examples, self.making,
            taps=taps, top_k=top_k, views=views, precision=precision,
            temperature=temperature, batch_size=batch_size, seed=seed,
            range_rows=range_rows,
        )  # fmt: skip
        self.say(f"{self.teacher.name}: {outlook(self.folder, wanted)}")
        require_room(self.folder, wanted)
        notes = {} if self._stands() else self._ready(wanted, None)
        self.manifest = create(self.folder, dataclasses.replace(wanted, notes=notes))
        # Not where it was begun before, or another process has just begun it.
        self._is_ready = bool(notes) and dict(self.manifest.notes) == notes

    def say(self, text: str) -> None:
        """A line, unless all is to be quiet."""
        if self.verbose:
            print(text, flush=True)

    def say_what_is_left_out(self, features: dict[str, Any]) -> None:
        """A line where the top k leave more than a little to the other classes."""
        for leaf in self.manifest.leaves:
            if not isinstance(leaf.field, TopK):
                continue
            field, held = leaf.field, leaf.field.held(features[leaf.stem])
            if held < ENOUGH:
                self.say(
                    f"    the top {field.k} of {leaf.tap!r} hold {held:.0%} of the "
                    f"probability at temperature {field.temperature:g}; how the rest "
                    "is spread is lost: a larger top_k keeps more of it"
                )

    def run(self, shard: tuple[int, int] = (0, 1)) -> dict[str, Any]:
        """Label what is not done of a shard.

        Args:
            shard: `(i, n)`: every n-th range from the i-th on. Defaults to all.

        Returns:
            Dict of `"rows"` (made now), `"seconds"`, `"rows_per_second"`, `"bytes"`
            (of the store) and `"complete"`.

        Raises:
            StoreBusyError: where another process writes one of these ranges.
            StoreFullError: where the disk is full; what was done is kept.
        """
        layout = self.manifest.layout
        own = range(shard[0], layout.ranges, shard[1])
        with RangeWriter(self.folder, self.manifest) as writer:
            undone = writer.undone(shard)
            if 0 < len(undone) < len(own):
                self.say(
                    f"    going on: {len(own) - len(undone)} of {len(own)} ranges are "
                    "done"
                )
            total = sum(len(layout.rows_of(number)) for number in own)
            left = sum(len(layout.rows_of(number)) for number in undone)
            progress = Progress(total, total - left, self.verbose)
            self._write(writer, undone, progress)
            complete = writer.complete()
        found = {
            **progress.end(),
            "bytes": store_bytes(self.folder, self.manifest),
            "complete": complete,
        }
        self._tell(found, shard, progress)
        return found

    def run_range(self, number: int) -> int:
        """Label one range, unless it is done; how many rows were made."""
        with RangeWriter(self.folder, self.manifest) as writer:
            if number in done_ranges(self.folder, self.manifest):
                return 0
            progress = Progress(self.manifest.layout.rows, verbose=0)
            self._write(writer, [number], progress)
        return progress.done

    def _write(self, writer, numbers, progress):
        layout, batch_size = self.manifest.layout, self.manifest.batch_size
        if numbers and not self._is_ready:
            self._ready(self.manifest, dict(self.manifest.notes))
            self._is_ready = True
        taught = taught_batches(
            self.teacher, self.examples, self.making, self.manifest, numbers
        )
        for number in numbers:
            with writer.claim(number):
                for rows in layout.batches(number, batch_size):
                    features = next(taught)
                    if progress.done == progress.kept and self.verbose:
                        self.say_what_is_left_out(features)
                    writer.write(rows, features)
                    progress.add(len(rows))
                writer.finish(number)

    def _stands(self) -> bool:
        """Whether there is a store already; `create` says whether it is this one.

        Of a damaged manifest `create` writes another, with the notes it is given.
        """
        try:
            Manifest.read(self.folder)
        except (FileNotFoundError, ValueError):
            return False
        return True

    def _ready(self, manifest, noted):
        return readied(
            self.teacher, self.examples, self.making, manifest, noted, self.say
        )

    def _tell(self, found, shard, progress):
        part = "" if shard[1] == 1 else f" of shard {shard[0]}/{shard[1]}"
        told = (
            f"{found['rows']:,} rows{part} in {duration(found['seconds'])}, "
            f"{progress.rate or found['rows_per_second']:,.0f} rows/s"
        )
        if not found["rows"]:
            told = f"Nothing was left to do{part}"
        if found["complete"]:
            told += f"; {found['bytes']:,} bytes in {self.folder} are whole"
        else:
            done = len(done_ranges(self.folder, self.manifest))
            told += f"; {done} of {self.manifest.layout.ranges} ranges are done"
        self.say(told + ".")
