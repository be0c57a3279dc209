"""A store that lies elsewhere, copied here before it is read."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import errno
import os
import posixpath
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_kd.files import written_together
from keras_kd.store.layout import CHECKSUMS, LOCKS, MANIFEST, store_lock
from keras_kd.store.manifest import Manifest
from keras_kd.store.rows.checksums import Mark, done_ranges, is_complete
from keras_kd.store.rows.damage import Damage, DamagedStoreError, changed_ranges
from keras_kd.store.rows.full_disk import StoreFullError
from keras_kd.store.rows.locks import locked
from keras_kd.store.rows.rows_file import CHUNK, RowsFile, rows_files

TEXTS = (MANIFEST, CHECKSUMS)


def is_url(directory: Any) -> bool:
    """Whether it is a URL and no path."""
    return isinstance(directory, str) and "://" in directory


def local_path(directory: str | os.PathLike[str]) -> Path:
    """The folder that a store is written to.

    Raises:
        ValueError: for a URL.
    """
    if is_url(directory):
        raise ValueError(
            "`directory` must be a folder: a store is written here, and copied "
            f"elsewhere once it is whole. Received: directory={directory!r}."
        )
    return Path(directory)


def local_copy(
    url: str, copy_to: str | os.PathLike[str] | None = None, check: bool = True
) -> Path:
    """Copy a store to this machine, or what a folder lacks of it.

    A file appears once it is whole and its checksums are right; a copy that was
    broken off goes on where it was.

    Args:
        url: what fsspec opens, such as `"s3://bucket/targets"`.
        copy_to: path of the folder. Defaults to None: a temporary one, removed at the
            end of the process.
        check: bool, compare the bytes of what the folder has already, and copy what
            is damaged anew. Defaults to True.

    Returns:
        Path of the folder.

    Raises:
        ImportError: without fsspec, or the package that it needs for the URL.
        FileNotFoundError: where there is no store.
        ValueError: where it is not finished, or damaged there.
        OSError: where the copying stops, or there is no room for it.
    """
    filesystem, root = _opened(url)
    texts = {name: _text(filesystem, url, root, name) for name in TEXTS}
    folder = _temporary() if copy_to is None else Path(copy_to)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(store_lock(folder)):
        manifest, marks = _parsed(url, texts)
        files = list(rows_files(folder, manifest).values())
        known = all(_content(folder / name) == texts[name] for name in TEXTS)
        if not known:  # Without its sums the folder is no store, if we are killed.
            (folder / CHECKSUMS).unlink(missing_ok=True)
        if check or not known:
            for file in files:
                if not _is_sound(file, manifest, marks):
                    file.path.unlink(missing_ok=True)
        with written_together() as write:
            for name in () if known else TEXTS:
                write(folder / name, texts[name])
        _copy(filesystem, url, root, [f for f in files if f.problem()], manifest, marks)
        shutil.rmtree(folder / LOCKS, ignore_errors=True)
    return folder


def _opened(url):
    """The file system of a URL, and the store's path in it."""
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            f"{url!r} is opened by fsspec: pip install 'keras-kd[remote]'."
        ) from error
    try:
        filesystem, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ImportError(f"fsspec cannot open {url!r} yet: {error}.") from error
    return filesystem, root.rstrip("/")


def _text(filesystem, url, root, name):
    try:
        return bytes(filesystem.cat_file(posixpath.join(root, name)))
    except FileNotFoundError as error:
        if name == CHECKSUMS:
            raise ValueError(
                f"{url} is not finished: it has no {CHECKSUMS}. Run `label` again on "
                "its own machine, then copy the folder there."
            ) from error
        raise FileNotFoundError(
            f"{url} is no store of targets: it has no {name}."
        ) from error


def _parsed(url, texts):
    """The manifest and the marks that the texts tell, which must be undamaged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for text, content in texts.items():
            (folder / text).write_bytes(content)
        try:
            manifest = Manifest.read(folder)
        except ValueError as error:
            raise ValueError(str(error).replace(name, url)) from error
        if not is_complete(folder, manifest):
            damage = Damage(CHECKSUMS, "is damaged, or has not all ranges")
            raise DamagedStoreError(url, [damage], "Copy the store there again.")
        return manifest, done_ranges(folder, manifest)


def _copy(
    filesystem: Any,
    url: str,
    root: str,
    files: Sequence[RowsFile],
    manifest: Manifest,
    marks: Mapping[int, Mark],
) -> None:
    """Copy files, each until it is whole."""
    parts = {file: file.path.with_name(f".{file.path.name}.part") for file in files}
    there = {file: _size(part) for file, part in parts.items()}
    missing = sum(max(file.size - there[file], 0) for file in files)
    if not missing and not files:
        return
    folder = files[0].path.parent
    free = shutil.disk_usage(folder).free
    if missing > free:
        text = (
            f"The copy of {url} needs {missing:,} more bytes, {free:,} are free, "
            f"{missing - free:,} are missing"
        )
        raise StoreFullError(errno.ENOSPC, text, str(folder))
    bar = keras.utils.Progbar(max(missing, 1), unit_name="byte")
    for file, part in parts.items():
        # A part may be of an older store: then it is copied from its beginning.
        for last in (there[file] == 0, True):
            _append(filesystem, url, posixpath.join(root, file.path.name), part, bar)
            if _is_sound(dataclasses.replace(file, path=part), manifest, marks, file):
                os.replace(part, file.path)
                break
            part.unlink()
            if last:
                damage = Damage(file.path.name, "is not what its checksums say")
                raise DamagedStoreError(url, [damage], "Copy the store there again.")


def _append(filesystem, url, source, part, bar):
    """Go on with a part until the source ends."""
    try:
        with filesystem.open(source, "rb") as remote, open(part, "ab") as local:
            remote.seek(local.tell())
            while content := remote.read(CHUNK):
                local.write(content)
                bar.add(len(content))
    except Exception as error:
        gist = f"{type(error).__name__}: {error}"
        raise OSError(
            f"The copy of {posixpath.basename(source)} from {url} stopped after "
            f"{_size(part):,} bytes ({gist}). Open it again: with `copy_to` it goes on "
            "from there."
        ) from error


def _is_sound(file, manifest, marks, named=None):
    """Whether a file is whole and its ranges sum to what their marks say."""
    if file.problem():
        return False
    name = (named or file).path.name
    return not any(True for _ in changed_ranges(file, manifest.layout, marks, name))


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _content(path):
    return path.read_bytes() if path.is_file() else None


def _temporary() -> Path:
    """A folder that is removed when the process ends."""
    folder, owner = Path(tempfile.mkdtemp(prefix="keras_kd_store_")), os.getpid()

    def remove():
        if os.getpid() == owner:  # and not in a child of it
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)

    atexit.register(remove)
    return folder
