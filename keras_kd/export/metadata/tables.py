"""The tables of the TFLite metadata flatbuffer, and how they are written and read.

The layout is that of the published `metadata_schema.fbs`, version 1.5.0, of which
this is the part that files of this package hold. A table is a dict here; a field is
known by its place, so the order below is the format.

Reference: TensorFlow Lite metadata schema,
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

IDENTIFIER = b"M001"
PARSER_VERSION = "1.5.0"

DESCRIPTIONS, AXIS_LABELS, VOCABULARY = 1, 2, 5
"""Kinds of associated files."""

RGB, GRAYSCALE = 1, 2
"""Colour spaces."""

TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "ModelMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("version", "string"),
        ("subgraph_metadata", "[SubGraphMetadata]"),
        ("author", "string"),
        ("license", "string"),
        ("associated_files", "[AssociatedFile]"),
        ("min_parser_version", "string"),
    ),
    "SubGraphMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("input_tensor_metadata", "[TensorMetadata]"),
        ("output_tensor_metadata", "[TensorMetadata]"),
        ("associated_files", "[AssociatedFile]"),
        ("input_process_units", "[ProcessUnit]"),
        ("output_process_units", "[ProcessUnit]"),
    ),
    "TensorMetadata": (
        ("name", "string"),
        ("description", "string"),
        ("dimension_names", "[string]"),
        ("content", "Content"),
        ("process_units", "[ProcessUnit]"),
        ("stats", "Stats"),
        ("associated_files", "[AssociatedFile]"),
    ),
    # A union takes two places: its kind, and its table.
    "Content": (("kind", "ubyte"), ("properties", "ContentProperties")),
    "FeatureProperties": (),
    "ImageProperties": (("color_space", "byte"), ("default_size", "ImageSize")),
    "ImageSize": (("width", "uint"), ("height", "uint")),
    "ProcessUnit": (("kind", "ubyte"), ("options", "ProcessUnitOptions")),
    "NormalizationOptions": (("mean", "[float]"), ("std", "[float]")),
    "BertTokenizerOptions": (("vocab_file", "[AssociatedFile]"),),
    "RegexTokenizerOptions": (
        ("delim_regex_pattern", "string"),
        ("vocab_file", "[AssociatedFile]"),
    ),
    "Stats": (("max", "[float]"), ("min", "[float]")),
    "AssociatedFile": (
        ("name", "string"),
        ("description", "string"),
        ("type", "byte"),
        ("locale", "string"),
        ("version", "string"),
    ),
}
"""The fields of each table, in the order of the schema, and their types."""

UNIONS: dict[str, dict[int, str]] = {
    "ContentProperties": {1: "FeatureProperties", 2: "ImageProperties"},
    "ProcessUnitOptions": {
        1: "NormalizationOptions",
        4: "BertTokenizerOptions",
        6: "RegexTokenizerOptions",
    },
}
"""The tables that a union may be, by its kind."""

FEATURE, IMAGE = 1, 2
NORMALIZATION, BERT, REGEX = 1, 4, 6

SCALARS = {"byte": "<b", "ubyte": "<B", "uint": "<I", "float": "<f"}


def pack(fields: Mapping[str, Any]) -> bytes:
    """Write a `ModelMetadata` flatbuffer.

    Args:
        fields: The table as a dict; fields that are None or empty are left out.

    Returns:
        The bytes, with the file identifier `M001`.

    Example:

    ```python
    unpack(pack({"name": "Digits", "min_parser_version": "1.0.0"}))["name"]  # Digits
    ```
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, "ModelMetadata", fields), IDENTIFIER)
    return bytes(builder.Output())


def unpack(content: bytes) -> dict[str, Any]:
    """Read a `ModelMetadata` flatbuffer into dicts; what it does not know, it skips.

    Args:
        content: Bytes with the file identifier `M001`.

    Returns:
        A dict of the fields that are there.

    Raises:
        ValueError: If the bytes are something else.
    """
    if content[4:8] != IDENTIFIER:
        raise ValueError(
            f"TFLite metadata must have the identifier {IDENTIFIER!r}. "
            f"Received: {content[4:8]!r}."
        )
    return _read_table(content, _follow(content, 0), "ModelMetadata")


def _table(builder: Any, kind: str, fields: Mapping[str, Any]) -> int:
    layout = TABLES[kind]
    unknown = set(fields) - {name for name, _ in layout}
    if unknown:
        raise ValueError(f"{kind} has no fields {sorted(unknown)}.")
    # Whatever a table points to is written before the table begins.
    offsets = {
        name: _pointed_to(builder, _of_union(type_, fields), fields[name])
        for name, type_ in layout
        if type_ not in SCALARS and fields.get(name) is not None
    }
    builder.StartObject(len(layout))
    for slot, (name, type_) in enumerate(layout):
        value = fields.get(name)
        if type_ == "byte" and value:
            builder.PrependInt8Slot(slot, value, 0)
        elif type_ == "ubyte" and value:
            builder.PrependUint8Slot(slot, value, 0)
        elif type_ == "uint" and value:
            builder.PrependUint32Slot(slot, value, 0)
        elif offsets.get(name):
            builder.PrependUOffsetTRelativeSlot(slot, offsets[name], 0)
    return builder.EndObject()


def _pointed_to(builder: Any, type_: str, value: Any) -> int:
    """The offset of a string, table or vector; zero for an empty one."""
    if type_ in TABLES:
        return _table(builder, type_, value)
    if not len(value):
        return 0
    if type_ == "string":
        return builder.CreateString(value)
    element = type_.strip("[]")
    if element == "float":
        builder.StartVector(4, len(value), 4)
        for number in reversed(value):
            builder.PrependFloat32(number)
        return builder.EndVector()
    offsets = [_pointed_to(builder, element, item) for item in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _of_union(type_: str, fields: Mapping[str, Any]) -> str:
    return UNIONS[type_][fields["kind"]] if type_ in UNIONS else type_


def _number(content: bytes, at: int, form: str) -> Any:
    return struct.unpack_from(form, content, at)[0]


def _follow(content: bytes, at: int) -> int:
    return at + _number(content, at, "<I")


def _read_table(content: bytes, at: int, kind: str) -> dict[str, Any]:
    places = at - _number(content, at, "<i")
    count = (_number(content, places, "<H") - 4) // 2
    fields: dict[str, Any] = {}
    for slot, (name, type_) in enumerate(TABLES[kind][:count]):
        offset = _number(content, places + 4 + 2 * slot, "<H")
        if not offset:
            continue
        if type_ in UNIONS:
            type_ = UNIONS[type_].get(fields.get("kind", 0), "")
        if type_ in SCALARS:
            fields[name] = _number(content, at + offset, SCALARS[type_])
        elif type_:
            fields[name] = _read(content, _follow(content, at + offset), type_)
    return fields


def _read(content: bytes, at: int, type_: str) -> Any:
    if type_ in TABLES:
        return _read_table(content, at, type_)
    count = _number(content, at, "<I")
    at += 4
    if type_ == "string":
        return content[at : at + count].decode()
    element = type_.strip("[]")
    places = range(at, at + 4 * count, 4)
    if element == "float":
        return [_number(content, place, "<f") for place in places]
    return [_read(content, _follow(content, place), element) for place in places]
