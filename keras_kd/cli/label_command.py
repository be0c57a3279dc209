"""`keras-kd label` and `keras-kd store`: teacher outputs kept on disk."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from keras_kd.cli import text
from keras_kd.store import StoredTeacher, verify_store
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.checksums import done_ranges
from keras_kd.store.rows.damage import find_damages
from keras_kd.workflow.folder import table
from keras_kd.workflow.labelling import LabelJob, label_with_ray, label_with_workers

Arguments = argparse.Namespace


def label(arguments: Arguments, typed: str) -> int:
    """`keras-kd label`."""
    job = job_of(arguments, out=arguments.out)
    verbose = 0 if arguments.quiet or arguments.json else 1
    shared = arguments.workers is not None or arguments.ray
    if shared and arguments.shard != "0/1":
        raise ValueError(
            "--workers and --ray divide the work themselves: leave --shard out. "
            f"Received: --shard {arguments.shard}."
        )
    if arguments.ray:
        label_with_ray(job, arguments.workers, verbose=verbose)
    elif shared:
        label_with_workers(job, arguments.workers, verbose=verbose)
    else:
        found = job.run(arguments.shard, verbose)
        if arguments.json:
            return text.print_json(found | {"store": arguments.out})
        return 0
    if arguments.json:
        return text.print_json(described(arguments.out))
    return 0


def store(arguments: Arguments, typed: str) -> int:
    """`keras-kd store info` and `keras-kd store verify`."""
    if arguments.action == "info":
        return _info(arguments)
    for option in ("teacher", "data"):
        if getattr(arguments, option) is None:
            raise ValueError(f"`keras-kd store verify` needs --{option}.")
    kept = StoredTeacher(arguments.folder)
    job = job_of(arguments, out=arguments.folder)
    teacher, x = job.load()
    check = verify_store(
        kept, teacher, x, augment=job.augmentation(), rows=arguments.rows
    )
    if arguments.json:
        text.print_json(check.to_dict())
    else:
        print(check)
    return 0 if check.passed else 1


def job_of(arguments: Arguments, **known: Any) -> LabelJob:
    """The job that was typed; what a command does not have keeps its default."""
    given = {
        field.name: getattr(arguments, field.name)
        for field in dataclasses.fields(LabelJob)
        if hasattr(arguments, field.name)
    }
    return LabelJob(**given | known)


def described(folder: str) -> dict[str, Any]:
    """What a store holds, finished or not, as JSON takes it."""
    path = Path(folder)
    manifest = Manifest.read(path)
    layout, done = manifest.layout, len(done_ranges(path, manifest))
    return {
        "store": folder,
        "examples": layout.examples,
        "views": layout.views,
        "rows": layout.rows,
        "row_bytes": manifest.row_bytes,
        "bytes": layout.rows * manifest.row_bytes,
        "ranges": layout.ranges,
        "done": done,
        "complete": done == layout.ranges and not find_damages(path, manifest),
        "batch_size": manifest.batch_size,
        "seed": manifest.seed,
        "tensors": [
            {
                "tap": leaf.tap,
                "bytes": leaf.field.row_bytes,
                **leaf.field.to_dict(),
            }
            for leaf in manifest.leaves
        ],
        "augment": manifest.identities.get("augment"),
        "notes": dict(manifest.notes),
    }


def _plain(identity: Any) -> str:
    """What tells an augmentation from others, without what is off."""
    if not isinstance(identity, dict):
        return str(identity or "none")
    told = []
    for name, value in identity.items():
        if isinstance(value, dict):
            told.append(f"{name} ({_plain(value)})")
        elif value not in (None, 0, False):
            told.append(name if value is True else f"{name} {value}")
    return ", ".join(told) or "none"


def _info(arguments: Arguments) -> int:
    found = described(arguments.folder)
    if arguments.json:
        return text.print_json(found)
    whole = f"all {found['ranges']} ranges, checksums agree"
    if not found["complete"]:
        whole = f"{found['done']} of {found['ranges']} ranges are done"
    print(
        text.pairs(
            [
                ("rows", f"{found['rows']:,}"),
                ("examples", f"{found['examples']:,}"),
                ("views", f"{found['views']:,}"),
                ("augmentation", _plain(found["augment"])),
                ("bytes a row", f"{found['row_bytes']:,}"),
                ("bytes", f"{found['bytes']:,}"),
                ("engine", str(found["notes"].get("engine", "–"))),
                ("complete", whole),
            ]
        )
    )
    rows = [
        (
            tensor["tap"],
            tensor["kind"],
            " × ".join(map(str, tensor["shape"])) or "1",
            f"{tensor['bytes']:,}",
        )
        for tensor in found["tensors"]
    ]
    print("\n" + table(("tap", "kept", "shape", "bytes a row"), rows))
    return 0
