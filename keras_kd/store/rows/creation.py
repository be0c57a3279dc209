"""Making a store, or opening one to go on with it."""

from __future__ import annotations

import os
from pathlib import Path

from keras_kd.store.identity.changes import refuse_changes
from keras_kd.store.layout import MANIFEST, store_lock
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.checksums import all_marks, binding
from keras_kd.store.rows.damage import mend
from keras_kd.store.rows.full_disk import telling_full_disk
from keras_kd.store.rows.locks import locked
from keras_kd.store.rows.rows_file import rows_files


def create(folder: str | os.PathLike[str], manifest: Manifest) -> Manifest:
    """Make a store with all its bytes reserved, or take up the one that stands.

    Several may call it at once. Damaged ranges of a finished store are taken for
    unfinished, so that they are labelled anew.

    Args:
        folder: path of the store.
        manifest: `Manifest` of what is wanted.

    Returns:
        The `Manifest` that stands.

    Raises:
        ValueError: where a store of something else stands, or another file.
        StoreFullError: where the disk has no room; nothing of a new store is left.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} must be a folder for the store. It is a file.")
    folder.mkdir(parents=True, exist_ok=True)
    with telling_full_disk(folder, manifest), locked(store_lock(folder)):
        sweep(folder)
        stored = _standing(folder, manifest)
        if stored is not None:
            refuse_changes(stored, manifest, folder)
            mend(folder, stored)
            return stored
        try:
            manifest.write(folder)
            mend(folder, manifest)
        except OSError:
            if not all_marks(folder):
                _remove(folder, manifest)
            raise
        return manifest


def sweep(folder: Path) -> None:
    """Remove the unfinished files of killed processes, under the store's lock."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _standing(folder, manifest):
    """The manifest that stands, or None where it is to be written."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        return Manifest.read(folder)
    except ValueError:
        # Damaged: what was wanted may be written in its place where all that is
        # done belongs to it.
        others = {mark.manifest for mark in all_marks(folder).values()}
        if others <= {binding(manifest)}:
            return None
        raise


def _remove(folder, manifest):
    """Take a new store away, so that nothing of it fills the disk."""
    for file in rows_files(folder, manifest).values():
        file.path.unlink(missing_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
