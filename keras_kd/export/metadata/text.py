"""How a client turns text into the token ids that a file takes."""

from __future__ import annotations

from typing import Any

from keras_kd.export.metadata import tables
from keras_kd.export.metadata.card import Metadata

FILE = "vocab.txt"

BERT_INPUTS = ("ids", "mask", "segment_ids")
"""The names by which MediaPipe finds the three inputs of a BERT."""


def vocabulary_file(metadata: Metadata) -> dict[str, bytes]:
    """The vocabulary as the tokenizer reads it, by file name.

    A regex tokenizer reads `word id` on each line, a WordPiece tokenizer a token
    on each, its id being the line.
    """
    if metadata.vocabulary is None:
        return {}
    numbered = metadata.tokenizer == "regex"
    lines = [
        f"{word} {index}" if numbered else word
        for index, word in enumerate(metadata.vocabulary)
    ]
    return {FILE: ("\n".join(lines) + "\n").encode()}


def read_vocabulary(content: bytes, numbered: bool) -> list[str]:
    """The inverse of `vocabulary_file`: tokens in the order of their ids."""
    lines = [line for line in content.decode().split("\n") if line]
    if not numbered:
        return lines
    pairs = [line.split(" ") for line in lines]
    return [word for word, _ in sorted(pairs, key=lambda pair: int(pair[1]))]


def tokenizer_unit(metadata: Metadata) -> dict[str, Any]:
    """The process unit that tells a client how to split text."""
    files = [
        {
            "name": FILE,
            "description": "The words and their ids.",
            "type": tables.VOCABULARY,
        }
    ]
    if metadata.tokenizer == "bert":
        return {"kind": tables.BERT, "options": {"vocab_file": files}}
    options = {"delim_regex_pattern": metadata.delimiter, "vocab_file": files}
    return {"kind": tables.REGEX, "options": options}


def parser_version(metadata: Metadata) -> str:
    """The version of the schema that brought the latest of the fields in use."""
    return {None: "1.0.0", "bert": "1.1.0", "regex": "1.2.1"}[metadata.tokenizer]
