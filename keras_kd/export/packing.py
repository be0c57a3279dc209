"""From the schema's objects back to the bytes of a .tflite file."""

from __future__ import annotations

from typing import Any

ALIGNMENT = 16
"""Of weights, in bytes: the schema asks for it, and Micro's kernels rely on it."""


def packed(model: Any) -> bytes:
    """The flatbuffer of a model, its weights aligned as the converter aligns them.

    Args:
        model: As `schema.load` gives it.

    Returns:
        The bytes of the file.
    """
    import flatbuffers

    class Builder(flatbuffers.Builder):
        """Python's builder packs bytes without the alignment the schema asks for."""

        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
            aligned = ALIGNMENT if elemSize == 1 else alignment
            return super().StartVector(elemSize, numElems, aligned)

    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
