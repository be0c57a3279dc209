"""What the maker of a file knows about it, checked before it is written."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from keras_kd.validation import one_of

Labels: TypeAlias = tuple[str, ...]

TOKENIZERS: dict[str, tuple[str, ...]] = {
    "regex": ("<PAD>", "<UNKNOWN>"),
    "bert": ("[CLS]", "[SEP]", "[UNK]"),
}
"""The tokens that a client looks for in the vocabulary of each tokenizer."""

WORDS = r"[^\w\']+"
"""What lies between words: everything but letters, digits, `_` and `'`."""


@dataclasses.dataclass(frozen=True)
class Metadata:
    r"""What a file says about itself to the apps and people that open it.

    Args:
        name: String. The model's name.
        description: String. What it does. Defaults to `""`.
        author: String. Who made it. Defaults to `""`.
        license: String. The licence of the model. Defaults to `""`.
        version: String. The model's version. Defaults to `""`.
        labels: Sequence of strings, one for each class of the model's only
            output; or a dict from output name to such. Defaults to `None`.
        mean: Float or a float per channel. The app hands in
            `(pixel − mean) / std`, pixels being 0 to 255. Defaults to `None`:
            pixels as they are.
        std: Float or a float per channel, positive. Defaults to `None`.
        teacher: String. The model that the student learned from. Defaults to `""`.
        recipe: String. Defaults to the name of the recipe of the export.
        vocabulary: Sequence of strings, the token of id 0 first. Defaults to
            `None`.
        tokenizer: `"regex"` splits text at `delimiter`, upper and lower case kept;
            its vocabulary has `<PAD>` and `<UNKNOWN>`, and `<START>` if texts
            begin with that. `"bert"` is WordPiece, with `[CLS]`, `[SEP]` and
            `[UNK]`. Defaults to `None`.
        delimiter: String. The regular expression (RE2) of what lies between the
            words of the `"regex"` tokenizer. Defaults to `[^\w\']+`.

    Raises:
        ValueError: If a value is wrong, or the parts do not fit each other.

    Example:

    ```python
    Metadata("Digits", labels=[str(digit) for digit in range(10)], mean=0, std=255)
    Metadata(
        "Mood",
        labels=["sad", "glad"],
        vocabulary=["<PAD>", "<UNKNOWN>", "good", "bad"],
        tokenizer="regex",
    )
    ```
    """

    name: str
    description: str = ""
    author: str = ""
    license: str = ""
    version: str = ""
    labels: Sequence[str] | Mapping[str, Sequence[str]] | None = None
    mean: float | Sequence[float] | None = None
    std: float | Sequence[float] | None = None
    teacher: str = ""
    recipe: str = ""
    vocabulary: Sequence[str] | None = None
    tokenizer: str | None = None
    delimiter: str = WORDS

    def __post_init__(self) -> None:
        for field in TEXTS:
            if not isinstance(getattr(self, field), str):
                raise ValueError(
                    f"`{field}` must be a string. "
                    f"Received: {field}={getattr(self, field)!r}."
                )
        if not self.name.strip():
            raise ValueError("`name` must not be empty.")
        if isinstance(self.labels, Mapping):
            named = {n: lines("labels", v) for n, v in self.labels.items()}
            object.__setattr__(self, "labels", named)
        elif self.labels is not None:
            object.__setattr__(self, "labels", lines("labels", self.labels))
        self._check_normalization()
        self._check_tokenizer()

    def _check_normalization(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise ValueError(
                "`mean` and `std` must be given together. Received: "
                f"mean={self.mean!r}, std={self.std!r}."
            )
        if self.mean is None:
            return
        mean, std = numbers_of("mean", self.mean), numbers_of("std", self.std)
        if min(std) <= 0:
            raise ValueError(f"`std` must be positive. Received: std={self.std!r}.")
        if len(mean) != len(std):
            raise ValueError(
                "`mean` and `std` must have one number each, or one per channel. "
                f"Received: mean={self.mean!r}, std={self.std!r}."
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    def _check_tokenizer(self) -> None:
        if (self.vocabulary is None) != (self.tokenizer is None):
            given = "vocabulary" if self.tokenizer is None else "tokenizer"
            raise ValueError(
                "`vocabulary` and `tokenizer` must be given together. "
                f"Received only `{given}`."
            )
        if self.vocabulary is None or self.tokenizer is None:
            return
        one_of("tokenizer", self.tokenizer, TOKENIZERS)
        words = lines("vocabulary", self.vocabulary)
        object.__setattr__(self, "vocabulary", words)
        repeated = len(words) - len(set(words))
        if repeated:
            raise ValueError(
                "`vocabulary` must not hold a token twice. "
                f"Received: {repeated} repeated token(s)."
            )
        missing = [t for t in TOKENIZERS[self.tokenizer] if t not in words]
        if missing:
            raise ValueError(
                f"`vocabulary` of the {self.tokenizer!r} tokenizer must hold "
                f"{list(TOKENIZERS[self.tokenizer])}. It lacks {missing}."
            )
        spaced = next((w for w in words if " " in w), None)
        if self.tokenizer == "regex" and spaced is not None:
            raise ValueError(
                "`vocabulary` of the 'regex' tokenizer must hold words without "
                f"spaces: its file has one word and its id on a line. "
                f"Received: {spaced!r}."
            )
        try:
            re.compile(self.delimiter)
        except re.error as error:
            raise ValueError(
                f"`delimiter` must be a regular expression. Received: "
                f"delimiter={self.delimiter!r}, {error}."
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """What was given, as JSON has it, without the labels and the vocabulary."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["labels"], fields["vocabulary"]
        if self.tokenizer != "regex":
            del fields["delimiter"]
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in fields.items()
            if value not in (None, "")
        }


TEXTS = (
    "name",
    "description",
    "author",
    "license",
    "version",
    "teacher",
    "recipe",
    "delimiter",
)
"""The fields that hold one string."""


def lines(name: str, values: Any) -> Labels:
    """A sequence of strings that can stand on lines of their own, as a tuple."""
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        raise ValueError(
            f"`{name}` must be a sequence of strings. Received: {name}={values!r}."
        )
    found = tuple(values)
    if not found:
        raise ValueError(f"`{name}` must not be empty.")
    for value in found:
        if not isinstance(value, str) or not value or len(value.splitlines()) != 1:
            raise ValueError(
                f"`{name}` must be strings of one line, none empty. "
                f"Received: {value!r} among them."
            )
    return found


def numbers_of(name: str, value: Any) -> tuple[float, ...]:
    """One finite number, or one per channel, as a tuple."""
    single = isinstance(value, numbers.Real)
    values = (value,) if single else tuple(value) if hasattr(value, "__iter__") else ()
    good = bool(values) and all(
        isinstance(v, numbers.Real) and not isinstance(v, bool) and math.isfinite(v)
        for v in values
    )
    if not good:
        raise ValueError(
            f"`{name}` must be a number or one number per channel. "
            f"Received: {name}={value!r}."
        )
    return tuple(float(v) for v in values)


def labels_by_output(
    labels: Any, sizes: Mapping[str, int | None]
) -> dict[str, tuple[str, ...]]:
    """Labels by output name, checked against the sizes of the last axes.

    Args:
        labels: The `labels` of a `Metadata`.
        sizes: Dict from output name to the number of its classes; None where it
            is unknown.

    Returns:
        A dict from output name to its labels.

    Raises:
        ValueError: If an output is unknown, or the numbers differ.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        if len(sizes) != 1:
            raise ValueError(
                f"`labels` must be a dict from output name to labels, since there are "
                f"{len(sizes)} outputs: {list(sizes)}."
            )
        labels = {next(iter(sizes)): labels}
    for name, names in labels.items():
        one_of("labels", name, sizes)
        size = sizes[name]
        if size is not None and len(names) != size:
            raise ValueError(
                f"`labels` of output {name!r} must be {size}, one for each class. "
                f"Received: {len(names)}."
            )
    return dict(labels)
