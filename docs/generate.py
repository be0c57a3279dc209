"""Write `losses.md`: every loss with its formula, its uses, its methods and figures.

    python docs/generate.py [--check]

All of it stands in the docstrings (`docstrings.py` reads them), in `keras_kd.methods`
(`catalogue.py`) and in the leaderboard's results. `--check` writes nothing, and fails
where the page is not what would be written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.catalogue import (  # noqa: E402
    FAMILIES,
    anchor,
    functions_of,
    in_family,
    layers_in_use,
    methods_of,
    own_layers,
    signature,
)
from docs.docstrings import Docstring, read  # noqa: E402
from docs.leaderboard import figures, origin  # noqa: E402
from keras_kd import losses, methods  # noqa: E402

PAGE = ROOT / "docs" / "losses.md"
LEADERBOARD = ROOT / "benchmarks" / "results" / "leaderboard.json"

HEAD = """\
# The losses, and the knowledge that each transfers

<!-- Written by docs/generate.py from docstrings: change those, then `make docs`. -->

Each loss is a function of tensors, teacher first and student second, that gives one
value per example, and a class of the same idea for a `DistillationTerm`. A **method**
is a published recipe: it places losses at taps, with adapters and the paper's weights,
so that `Distiller(teacher, student, methods.hinton())` is all there is to write.
Methods add up: `methods.rkd(taps) + methods.hinton()`. Shown with each loss are its
methods with their defaults, which are the published weights; how much the labels weigh
beside them (`hard_loss_weight`) stands in the method's docstring.

## Which knowledge?

"""
TABLE = """\
| knowledge | what is compared | what it needs | choose it | begin with |
|---|---|---|---|---|
"""
HOW_TO_CHOOSE = """
Begin with logits, and keep them: most of the others are weighed beside them. Add one
kind at a time, and compare with the same budget over several seeds. Between networks
of different kinds (a transformer and a CNN, a ResNet and a MobileNet) maps have no
common geometry, and plain hints or attention maps are known to hurt; the docstrings of
`keras_kd.methods` say where, with the figures. `examples/02_what_to_transfer.ipynb`
shows what four of the kinds change in one student.
"""


def page(results: dict | None) -> str:
    """The whole page."""
    parts = [HEAD, TABLE, *(family.row() for family in FAMILIES if family.compared)]
    parts += [HOW_TO_CHOOSE, "\n" * bool(results), origin(results)]
    parts.append("\n## All of them\n\n")
    for family in FAMILIES:
        names = (f"[`{name}`](#{anchor(name)})" for name in in_family(family))
        parts.append(f"- **[{family.title}](#{anchor(family.title)})**: ")
        parts.append(", ".join(names) + "\n")
    parts.append(f"- **[{LAYERS}](#{anchor(LAYERS)})**\n")
    for family in FAMILIES:
        parts.append(f"\n## {family.title}\n\n{family.about}\n")
        parts += [entry(name, results) for name in in_family(family)]
    return "".join([*parts, layers_table()])


def entry(name: str, results: dict | None) -> str:
    """One loss."""
    loss = getattr(losses, name)
    text = read(loss)
    lines = [f"\n### `{name}`\n", text.summary + "\n"]
    if text.formula:
        lines.append(f"```text\n{text.formula}\n```\n")
    lines += [note + "\n" for note in text.notes]
    lines += [f"**When to use.** {' '.join(text.when_to_use)}\n"]
    lines += [f"- {fact}" for fact in facts(name, loss, text, results)]
    return "\n".join(lines) + "\n"


def facts(name, loss, text: Docstring, results):
    """The lines of a loss's list."""
    yield f"Class: `{signature(loss, name)}`"
    functions = [f"`{signature(f, f.__name__)}`" for f in functions_of(name)]
    if functions:
        yield f"Function{'s' * (len(functions) > 1)}: {', '.join(functions)}"
    takes = [
        words
        for flag, words in (
            (loss.uses_labels, "the labels"),
            (loss.takes_mask, "a padding mask"),
            (loss.takes_temperature, "a learned temperature"),
        )
        if flag
    ]
    if takes:
        yield f"Takes: {', '.join(takes)}"
    own = methods_of(name)
    calls = [f"`methods.{signature(getattr(methods, m), m)}`" for m in own]
    yield f"Method{'s' * (len(calls) > 1)}: {', '.join(calls) or '–'}"
    yield f"Leaderboard: {figures(name, own, results)}"
    if text.reference:
        yield f"Reference: {' '.join(text.reference)}"


LAYERS = "Layers that go with them"


def layers_table() -> str:
    lines = [
        f"\n## {LAYERS}\n",
        "What learns or remembers is a layer of `keras_kd.layers`. It stands between "
        "the taps and the loss, trains with the student, and stays behind at export.\n",
        "| layer | what it does | used by |",
        "|---|---|---|",
    ]
    for name, layer in own_layers():
        users = ", ".join(f"`{m}`" for m in layers_in_use().get(name, ()))
        lines.append(f"| `{name}` | {read(layer).summary} | {users or '–'} |")
    return "\n".join(lines) + "\n"


def written() -> str:
    """The page as it would be written now."""
    there = LEADERBOARD.exists()
    return page(json.loads(LEADERBOARD.read_text("utf-8")) if there else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check, text = parser.parse_args().check, written()
    if not check:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
        print(PAGE.relative_to(ROOT))
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        print("docs/losses.md is not what docs/generate.py writes: run `make docs`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
