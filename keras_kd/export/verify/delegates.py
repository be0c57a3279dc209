"""How much of a file the interpreter hands to its delegate, and in how many pieces."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Delegation:
    """What the CPU delegate (XNNPACK) took of a file's main subgraph.

    Args:
        operators: Integer. The operators of the subgraph.
        delegated: Integer. Those the delegate runs.
        partitions: Integer. The pieces in which it runs them: each border costs a
            hand-over, and often a change of layout.
        left: Dict from operator to how often the interpreter runs it itself.
    """

    operators: int
    delegated: int
    partitions: int
    left: dict[str, int]

    @property
    def share(self) -> float:
        """The share of operators that the delegate runs."""
        return self.delegated / self.operators if self.operators else 0.0


def delegation(interpreter: Any) -> Delegation:
    """Read from an interpreter what its delegate took.

    Args:
        interpreter: An `ai_edge_litert.interpreter.Interpreter` with its tensors
            allocated.

    Returns:
        A `Delegation`.

    Example:

    ```python
    result = export_tflite(model, "student.tflite")
    found = delegation(runtime.Runner(result.path).interpreter)
    found.delegated, found.operators, found.partitions
    ```
    """
    return from_nodes(interpreter._get_ops_details())


def from_nodes(nodes: Sequence[Mapping[str, Any]]) -> Delegation:
    """Read it from the interpreter's nodes.

    The nodes that were replaced stay in the list, followed by those of the delegate,
    which only name the tensors at their borders: what lies between was replaced.

    Args:
        nodes: Dicts with `"index"`, `"op_name"`, `"inputs"` and `"outputs"` (tensor
            indices).

    Returns:
        A `Delegation`.
    """
    own = [node for node in nodes if node["op_name"] != "DELEGATE"]
    borders = [node for node in nodes if node["op_name"] == "DELEGATE"]
    maker = {int(tensor): node for node in own for tensor in node["outputs"]}
    taken: set[int] = set()
    for border in borders:
        outside = {int(tensor) for tensor in border["inputs"]}
        waiting = [int(tensor) for tensor in border["outputs"]]
        while waiting:
            tensor = waiting.pop()
            node = maker.get(tensor)
            if tensor in outside or node is None or node["index"] in taken:
                continue
            taken.add(node["index"])
            waiting += [int(source) for source in node["inputs"]]
    left = collections.Counter(n["op_name"] for n in own if n["index"] not in taken)
    return Delegation(len(own), len(taken), len(borders), dict(sorted(left.items())))
