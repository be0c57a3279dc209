"""What differs between a store and what is asked of it, in one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_kd.store.manifest import Manifest

OTHERS = {
    "teacher": "was labelled by another teacher",
    "data": "holds the targets of other data",
    "augment": "was labelled under another augmentation",
    "preprocess": "was labelled after another preprocessing",
}
"""What a difference of an identity means."""
WORDS = {
    "sha256": "contents",
    "count": "number of examples",
    "spec": "shapes or types",
}
PLURALS = ("weights", "contents", "shapes or types", "shares")


def refuse_changes(
    stored: Manifest, wanted: Manifest, where: str | os.PathLike[str] | None = None
) -> None:
    """Refuse to go on with a store that was begun for something else.

    Args:
        stored: the store's `Manifest`.
        wanted: the `Manifest` of what is asked for.
        where: the store's folder, for the sentence. Defaults to None.

    Raises:
        ValueError: where they differ, with everything that does, as it is stored and
            as it was received.
    """
    reasons = changes(stored.to_dict(), wanted.to_dict())
    if reasons:
        raise ValueError(
            f"{_store(where)} {'; it '.join(reasons)}. Label into another directory."
        )


def refuse_other(
    stored: Manifest,
    identities: Mapping[str, Any],
    where: str | os.PathLike[str] | None = None,
) -> None:
    """Refuse data or an augmentation to which a store's targets do not belong.

    Args:
        stored: the store's `Manifest`.
        identities: dict from `"data"`, `"augment"`, … to what was received.
        where: the store's folder, for the sentence. Defaults to None.

    Raises:
        ValueError: where they differ, as `refuse_changes` does.
    """
    reasons = changes_of_identities(stored.identities, identities)
    if reasons:
        raise ValueError(
            f"{_store(where)} {'; it '.join(reasons)}. Train with what was labelled, "
            "or label again."
        )


def changes(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """A clause for each thing in which two manifests differ, `to_dict` of both.

    Notes do not count.
    """
    reasons = changes_of_identities(stored["identities"], wanted["identities"])
    reasons += _changes_of_leaves(stored["leaves"], wanted["leaves"])
    known = "data" in wanted["identities"]  # which tells the examples' number
    layouts = [
        (name, stored["layout"].get(name), wanted["layout"].get(name))
        for name in (*([] if known else ["examples"]), "views", "range_rows")
    ]
    singles = [(n, stored.get(n), wanted.get(n)) for n in ("batch_size", "seed")]
    for name, old, new in (*layouts, *singles):
        if old != new:
            reasons.append(f"has {name}={old} (received {name}={new})")
    return reasons


def changes_of_identities(
    stored: Mapping[str, Any], wanted: Mapping[str, Any]
) -> list[str]:
    """A clause for each identity of `wanted` that is not as in `stored`."""
    reasons = []
    for name, new in wanted.items():
        different = list(_different(stored.get(name), _as_json(new)))
        if different:
            meaning = OTHERS.get(name, f"has another {name}")
            reasons.append(f"{meaning}: {_details(different)}")
    return reasons


def _changes_of_leaves(stored, wanted):
    taps = [list(dict.fromkeys(leaf["tap"] for leaf in x)) for x in (stored, wanted)]
    if taps[0] != taps[1]:
        return [f"has the taps {taps[0]} (received {taps[1]})"]
    reasons = []
    old, new = ({leaf["stem"]: leaf["field"] for leaf in x} for x in (stored, wanted))
    for stem in dict.fromkeys([*old, *new]):
        if stem not in old or stem not in new:
            reasons.append(f"has the tensors {list(old)} (received {list(new)})")
            break
        if different := list(_different(_spoken(old[stem]), _spoken(new[stem]))):
            reasons.append(f"keeps {stem!r} otherwise: {_details(different)}")
    return reasons


def _spoken(field):
    """A field by the arguments of `label` that chose it."""
    told = dict(field)
    kind, dtype = told.pop("kind"), told.pop("dtype", None)
    precision = told.pop("precision", None)
    told["precision"] = precision or (dtype if kind == "whole" else kind)
    if "k" in told:
        told["top_k"] = told.pop("k")
    return told


def _different(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """`(place, stored, received)` of each value that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{path} {key}".strip()
            yield from _different(old.get(key), new.get(key), inner)
    elif old != new:
        yield path, old, new


def _details(different):
    said = []
    for path, old, new in different:
        head, _, last = path.rpartition(" ")
        name = " ".join(filter(None, (head, WORDS.get(last, last))))
        values = f"stored {_short(old)}, received {_short(new)}"
        differs = "differ" if name.endswith(PLURALS) else "differs"
        said.append(f"its {name} {differs} ({values})" if name else values)
    return ", ".join(dict.fromkeys(said))


def _short(value):
    """Digests by their beginning, long values cut."""
    words = str(value)
    if len(words) == 64 and not set(words) - set("0123456789abcdef"):
        return f"{words[:8]}…"
    return words if len(words) <= 60 else f"{words[:57]}…"


def _as_json(value):
    """Tuples as lists, as a manifest that was read has them."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(inner) for inner in value]
    return value


def _store(where):
    return "The store" if where is None else f"The store {Path(where).name!r}"
