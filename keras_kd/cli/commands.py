"""The commands: each reads files, calls the API and prints what came back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from keras_kd import export
from keras_kd.cli import text
from keras_kd.cli.export_command import export_files
from keras_kd.cli.inputs import load_data
from keras_kd.cli.label_command import label, store
from keras_kd.cli.launch_command import launch
from keras_kd.cli.taps import list_taps
from keras_kd.cli.terms import chosen_terms
from keras_kd.cli.verify_command import verify
from keras_kd.datasets import hide_labels
from keras_kd.export.page import read_report, write_report
from keras_kd.workflow import distill_to_folder
from keras_kd.workflow.folder import summary, table
from keras_kd.workflow.inputs import as_frozen, input_size, load_model

Arguments = argparse.Namespace


def distill(arguments: Arguments, typed: str) -> int:
    """`keras-kd distill`."""
    verbose = 0 if arguments.quiet else 1
    teacher, student = load_model(arguments.teacher), load_model(arguments.student)
    data = load_data(arguments, student)
    if arguments.labelled is not None:
        data = hide_labels(data, arguments.labelled, arguments.seed)
    terms = chosen_terms(arguments)
    report = distill_to_folder(
        as_frozen(teacher, input_size(student)),
        student,
        data,
        arguments.out,
        epochs=arguments.epochs,
        terms=terms,
        hard_loss_weight=arguments.hard_loss_weight,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        store=arguments.store,
        baseline=not arguments.no_baseline,
        recipes=arguments.recipes,
        overwrite=arguments.overwrite,
        setting={"terms": ", ".join(term.name for term in terms)},
        command=typed,
        verbose=verbose,
    )
    if verbose:
        print(f"\n{summary(report)}\n\n{Path(arguments.out) / 'report.html'}")
    failed = report.get("failed", {})
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {len(arguments.recipes)} files could not be made. "
            + " ".join(f"{recipe}: {why}" for recipe, why in failed.items())
        )
    return 0


def benchmark(arguments: Arguments, typed: str) -> int:
    """`keras-kd benchmark`."""
    report = export.benchmark(arguments.file, threads=arguments.threads)
    if arguments.json:
        return text.print_json(report.to_dict())
    rows = [
        ("bytes", f"{report.bytes:,}"),
        ("bytes, compressed", f"{report.gzip_bytes:,}"),
        ("parameters", f"{report.parameters:,}"),
        ("multiply-accumulates", text.number(report.macs)),
        ("arena, estimated bytes", text.number(report.arena_bytes)),
    ]
    print(text.pairs(rows))
    keys = ("p50", "p90", "p99", "mean")
    lines = [
        (str(threads), *(f"{row[key]:.3g}" for key in keys))
        for threads, row in report.latency_ms.items()
    ]
    print("\n" + table(("threads", *(f"{key} ms" for key in keys)), lines))
    return 0


def report(arguments: Arguments, typed: str) -> int:
    """`keras-kd report`."""
    write_report(read_report(arguments.folder), arguments.folder)
    print(Path(arguments.folder) / "report.html")
    return 0


def taps(arguments: Arguments, typed: str) -> int:
    """`keras-kd taps`."""
    rows = [(t.path, t.layer, t.shape) for t in list_taps(load_model(arguments.model))]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for path, layer, shape in rows:
        print(f"{path:{widths[0]}}  {layer:{widths[1]}}  {shape}")
    return 0


COMMANDS: dict[str, Callable[[Arguments, str], int]] = {
    "distill": distill,
    "label": label,
    "store": store,
    "launch": launch,
    "export": export_files,
    "verify": verify,
    "benchmark": benchmark,
    "report": report,
    "taps": taps,
}
