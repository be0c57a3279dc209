"""What `keras-kd verify` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_kd.cli import text

FULL = 60.0
"""Decibels of a bar as long as can be: ten bits that are right."""
INDENT = "  "


def verification_text(fields: Mapping[str, Any], gated: bool) -> str:
    """The report in paragraphs.

    Args:
        fields: Dict, as `keras-kd verify --json` gives it.
        gated: Boolean. Whether there were limits.

    Returns:
        String of many lines.
    """
    title = f"{fields['artifact']} against {fields['model']}"
    parts = []
    if "samples" in fields:
        title += f", {fields['samples']:,} samples of {fields['data']}"
        parts = [
            ("answers", _answers(fields)),
            ("file", _file(fields)),
            ("latency", _latency(fields)),
            ("layers", _layers(fields)),
            ("worst inputs", _worst(fields)),
        ]
    result = fields["gate"]
    if gated or not result["passed"]:
        verdict = "passed" if result["passed"] else "FAILED"
        parts.append((f"gate: {verdict}", _gate(result["checks"])))
    paragraphs = [f"{name}\n{body}" for name, body in parts if body]
    return "\n\n".join([title, *paragraphs])


def _answers(fields: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = []
    if fields["accuracy"] is not None:
        of_model = text.percent(fields["model_accuracy"])
        rows.append(("accuracy", text.percent(fields["accuracy"]), f"model {of_model}"))
    if fields["agreement"] is not None:
        differing = len(fields["disagreements"])
        rows.append(
            ("agreement", text.percent(fields["agreement"]), f"{differing:,} differ")
        )
    rows += [
        ("signal to noise", text.decibels(fields["snr_db"])),
        ("largest error", f"{fields['max_error']:.3g}", _steps(fields)),
        ("mean error", f"{fields['mean_error']:.3g}"),
    ]
    lines = text.pairs(rows, INDENT)
    if len(fields["outputs"]) > 1:
        lines += "\n\n" + text.pairs(
            [
                (
                    name,
                    text.decibels(output["snr_db"]),
                    f"largest error {output['max_error']:.3g}",
                    f"agreement {text.percent(output['agreement'])}",
                    f"accuracy {text.percent(output['accuracy'])}",
                )
                for name, output in fields["outputs"].items()
            ],
            2 * INDENT,
        )
    return lines


def _steps(fields: Mapping[str, Any]) -> str:
    outputs = list(fields["outputs"].values())
    step = outputs[0]["step"] if len(outputs) == 1 else None
    return f"{fields['max_error'] / step:.1f} steps of the output" if step else ""


def _file(fields: Mapping[str, Any]) -> str:
    compressed = f"{text.number(fields['gzip_bytes'])} compressed"
    rows: list[tuple[str, ...]] = [
        ("bytes", f"{text.number(fields['bytes'])}, {compressed}")
    ]
    if fields["macs"] is not None:
        rows.append(("multiply-accumulates", text.number(fields["macs"])))
    if fields["arena_bytes"] is not None:
        rows.append(("arena", f"{text.number(fields['arena_bytes'])} bytes, estimated"))
    rows.append(("operators", text.counts(fields["operators"])))
    rows.append(("tensors", text.counts(fields["tensor_dtypes"])))
    islands = fields["float_islands"]
    if islands is not None:
        names = sorted({island["operator"] for island in islands})
        found = f"{len(islands)}: {', '.join(names)}" if islands else "none"
        rows.append(("float islands", found))
    delegation = fields["delegation"]
    if delegation is not None:
        rows.append(("XNNPACK", delegation_text(delegation)))
    return text.pairs(rows, INDENT)


def delegation_text(delegation: Mapping[str, Any]) -> str:
    """`"6 of 8 operators in 2 partitions; not HARD_SWISH, SOFTMAX"`."""
    pieces = delegation["partitions"]
    found = (
        f"{delegation['delegated']} of {delegation['operators']} operators in "
        f"{pieces} partition{'' if pieces == 1 else 's'}"
    )
    left = ", ".join(delegation["left"])
    return f"{found}; not {left}" if left else found


def _latency(fields: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{threads} thread{'' if int(threads) == 1 else 's'}",
            *(f"{key} {row[key]:.3g} ms" for key in ("p50", "p90", "p99", "mean")),
        )
        for threads, row in (fields["latency_ms"] or {}).items()
    ]
    return text.pairs(rows, INDENT) if rows else ""


def _layers(fields: Mapping[str, Any]) -> str:
    layers = fields["layers"]
    if layers is None:
        return ""
    lines = []
    if layers:
        names = [
            layer["layer"] or layer["tensor"].split(";")[0][-32:] for layer in layers
        ]
        rows = [
            (
                name,
                layer["operator"],
                f"{text.decibels(layer['snr_db']):>8}",
                text.bar(layer["snr_db"] / FULL),
            )
            for name, layer in zip(names, layers, strict=True)
        ]
        lines.append(text.pairs(rows, INDENT))
    unmatched = fields["unmatched_layers"]
    if unmatched:
        names = [name.split(";")[0] for name in unmatched]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        lines.append(
            f"{INDENT}{len(names)} tensors have no like in the float32 file: "
            f"{', '.join(names[:4])}{more}"
        )
    return "\n".join(lines)


def _worst(fields: Mapping[str, Any]) -> str:
    samples: Sequence[Mapping[str, Any]] = fields["worst"] or ()
    rows = []
    for sample in samples:
        said = ""
        if sample["model_class"] is not None:
            said = f"model {_class(sample, 'model_class')}, file "
            said += _class(sample, "file_class")
        label = "" if sample["label"] is None else f", label {_class(sample, 'label')}"
        rows.append(
            (f"#{sample['index']}", f"error {sample['error']:.3g}", said + label)
        )
    return text.pairs(rows, INDENT) if rows else ""


def _class(sample: Mapping[str, Any], key: str) -> str:
    name = sample.get(f"{key}_name")
    return str(sample[key]) if name is None else str(name)


def _gate(checks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        ("ok" if check["passed"] else "FAILED", check["name"], check["message"])
        for check in checks
    ]
    return text.pairs(rows, INDENT)
