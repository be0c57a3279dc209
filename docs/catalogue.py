"""What is in the library: losses by family, and the methods and layers around them."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import textwrap
from typing import Any

from keras_kd import layers, losses, methods


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of knowledge: its module, its words and its line in the first table."""

    module: str
    title: str
    about: str
    compared: str = ""
    needs: str = ""
    choose: str = ""
    begin: str = ""

    def row(self) -> str:
        link = f"[{self.title}](#{anchor(self.title)})"
        cells = (link, self.compared, self.needs, self.choose, self.begin)
        return f"| {' | '.join(cells)} |\n"


FAMILIES = (
    Family(
        "logit",
        "Logits",
        "What the teacher says about the classes, beyond the one it names.",
        "the answers for all classes",
        "the same classes on both sides; answers may be stored, and need no labels",
        "always, and first: between any two networks, at hardly any cost",
        "`hinton`; `dist` or `standardized_kd` where the teacher is much stronger",
    ),
    Family(
        "feature",
        "Features",
        "What the teacher sees on the way: maps, vectors or hidden states at taps.",
        "maps or vectors at chosen layers",
        "taps of equal meaning, the teacher at hand, mostly an adapter that learns",
        "between networks of one kind; for segmentation and detection",
        "`review`; `cwd` or `pkd` for dense prediction; `simkd` to keep the "
        "teacher's classifier",
    ),
    Family(
        "relation",
        "Relations",
        "How the examples of a batch lie to each other: near, far, alike.",
        "distances, angles and likenesses of the examples of a batch",
        "batches of some size; the widths may differ, and nothing has to be learned",
        "for embeddings and retrieval, and where widths or kinds differ",
        "`similarity_preserving` or `pkt`; `rkd` for embeddings",
    ),
    Family(
        "contrastive",
        "Contrast",
        "Which example is which: each student embedding finds its teacher's.",
        "each example's match among many others",
        "projection heads; `crd` a memory and the place of each example in the data",
        "where the representation will serve other tasks, and across architectures",
        "`crd`; `info_nce` without a memory",
    ),
    Family(
        "sequence",
        "Sequences",
        "What transformers know: hidden states, attention, relations of tokens.",
        "hidden states, attention and relations of tokens",
        "attention layers to tap; padding masks come along",
        "between transformers, at best before the task is trained",
        "`minilm` for any depths and widths; `tinybert` for equal heads",
    ),
    Family(
        "prior",
        "Priors",
        "What a trained teacher still knows of its data, to train without any.",
        "generated images with what the teacher remembers of its data",
        "the teacher alone",
        "where the training data may not, or can no longer, be used",
        "`BatchNormStatistics` with `ClassConfidence`",
    ),
    Family("keras_loss", "Keras's own", "Losses that Keras has, as terms."),
)


def classes() -> dict[str, type[losses.DistillationLoss]]:
    """Every public loss that can be used, by name."""
    return {
        name: member
        for name, member in inspect.getmembers(losses, inspect.isclass)
        if issubclass(member, losses.DistillationLoss)
        and member is not losses.DistillationLoss
    }


def family_of(name: str) -> Family:
    """The family in whose file or folder a loss stands.

    Raises:
        LookupError: If it stands in none.
    """
    kind = getattr(losses, name).__module__.split(".")[2]
    for family in FAMILIES:
        if family.module == kind:
            return family
    raise LookupError(f"{name} stands in losses/{kind}: enter it in FAMILIES.")


def in_family(family: Family) -> list[str]:
    return [name for name in sorted(classes()) if family_of(name) == family]


def functions_of(name: str) -> list[Any]:
    """The public functions that a loss calls, or that stand beside it alone."""
    everywhere = {
        key: member
        for key, member in inspect.getmembers(losses, inspect.isfunction)
        if key in losses.__all__
    }
    called = {other: named(member) & set(everywhere) for other, member in all_classes()}
    own = set(called[name])
    for key, function in everywhere.items():
        if not any(key in others for others in called.values()):
            if function.__module__ == getattr(losses, name).__module__:
                own.add(key)
    return [everywhere[key] for key in sorted(own)]


def all_classes() -> list[tuple[str, type]]:
    return sorted(classes().items())


@functools.cache
def named(documented: Any) -> frozenset[str]:
    """The names in the code of a class or function, docstrings left out."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(documented)))
    nodes = list(ast.walk(tree))
    return frozenset(
        {node.id for node in nodes if isinstance(node, ast.Name)}
        | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    )


@functools.cache
def within(function: Any) -> frozenset[str]:
    """The names in a method and in the functions of `methods/` that it calls."""
    found, names = set(), named(function)
    for name in names:
        helper = inspect.getmodule(function).__dict__.get(name)
        if inspect.isfunction(helper) and helper is not function:
            if helper.__module__.startswith(methods.__name__):
                found |= within(helper)
    return frozenset(found | names)


def public_methods() -> list[str]:
    """The functions of `keras_kd.methods` that give terms."""
    return [
        name
        for name in methods.__all__
        if inspect.isfunction(getattr(methods, name))
        and "DistillationTerm" in within(getattr(methods, name))
    ]


def methods_of(loss: str) -> list[str]:
    """The methods with a term of this loss."""
    return [m for m in public_methods() if loss in within(getattr(methods, m))]


def own_layers() -> list[tuple[str, Any]]:
    """The public layers, and the function that chooses one."""
    return [(name, getattr(layers, name)) for name in layers.__all__]


@functools.cache
def layers_in_use() -> dict[str, list[str]]:
    """The methods that use a layer, by the layer's name."""
    return {
        name: [m for m in public_methods() if name in within(getattr(methods, m))]
        for name, _ in own_layers()
    }


def signature(function: Any, name: str) -> str:
    """A call with the defaults, without what every loss takes."""
    parameters = inspect.signature(function).parameters.values()
    given = [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in parameters
        if p.kind is not p.VAR_KEYWORD
    ]
    return f"{name}({', '.join(given)})"


def anchor(heading: str) -> str:
    """The part of a link that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
