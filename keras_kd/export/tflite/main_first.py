"""The main signature as the first subgraph, which is what plain `invoke()` runs."""

from __future__ import annotations

from keras_kd.export import schema
from keras_kd.export.packing import packed

REFERENCES = (
    "condSubgraphIndex",
    "bodySubgraphIndex",
    "thenSubgraphIndex",
    "elseSubgraphIndex",
    "initSubgraphIndex",
)
"""How operators of control flow name the subgraphs that they run."""


def main_first(content: bytes, key: str) -> bytes:
    """Put the subgraph of a signature first.

    The converter sorts signatures by name, and clients that know no signatures (the
    C API, TFLite-Micro, benchmark tools) run the first subgraph.

    Args:
        content: The bytes of a .tflite file.
        key: String. The signature's key.

    Returns:
        The bytes of a file that answers the same under every key.
    """
    model = schema.load(content)
    place = schema.subgraph_of(model, key)
    if place == 0:
        return content
    moved = {0: place, place: 0}
    graphs = model.subgraphs
    graphs[0], graphs[place] = graphs[place], graphs[0]
    for definition in model.signatureDefs:
        definition.subgraphIndex = moved.get(
            definition.subgraphIndex, definition.subgraphIndex
        )
    for graph in graphs:
        for operator in graph.operators or []:
            options = operator.builtinOptions
            for name in REFERENCES:
                if hasattr(options, name):
                    index = getattr(options, name)
                    setattr(options, name, moved.get(index, index))
    return packed(model)
