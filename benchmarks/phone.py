"""Three students, taught by real teachers, as files for the phone.

    python benchmarks/phone.py [--data FOLDER] [--only image text digits] [--fast]

An image student of EfficientNet-Lite0, a text student of MiniLM and the demo's digits
student: bytes, accuracy and latency by recipe, quantized after the training and with
`quantize_aware` while the teacher still teaches. What a machine does not have is
skipped with the reason. Finished stages lie in `build/phone/`, where the next run
finds them; `--again` measures the files anew and trains nothing.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from phone import digits, image, picture, table, text  # noqa: E402
from phone.cache import Cache  # noqa: E402
from phone.measuring import byte_products, measure  # noqa: E402
from phone.task import Unavailable  # noqa: E402
from timing import RESULTS, write  # noqa: E402

NAMES = ("image", "text", "digits")


def main(arguments: list[str] | None = None) -> dict:
    """Train, export, measure, and write the tables; returns the figures by task."""
    options = parser().parse_args(arguments)
    begin = time.process_time()
    only = ["digits"] if options.fast else options.only
    found = {}
    for name in only:
        print(f"{name}", flush=True)
        try:
            task = prepared(name, options)
        except Unavailable as reason:
            print(f"  skipped: {reason}", flush=True)
            found[name] = {"skipped": str(reason)}
            continue
        cache = Cache(options.out / name, task.settings())
        found[name] = {"family": task.family, **measure(task, cache, options.again)}
    print(f"{time.process_time() - begin:.0f} seconds of CPU in this run")
    cpu = byte_products()
    text_of_all = table.markdown(found, cpu)
    complete = not any("skipped" in figures for figures in found.values())
    if options.fast or set(only) != set(NAMES) or not complete:
        # Figures of an earlier, complete run stay.
        print(f"\n{text_of_all}")
        return found
    figures = {"cpu": cpu, "goals": table.reached(found), "tasks": found}
    write("phone", figures, text_of_all)
    picture.draw(found, RESULTS / "phone.png")
    return found


def prepared(name: str, options: argparse.Namespace):
    """The task of that name."""
    if name == "image":
        return image.task(options.data, options.out)
    if name == "text":
        return text.task(options.out)
    return digits.task(options.out, options.fast)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    given = os.environ.get("KERAS_KD_DATA")
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument(
        "--data",
        type=Path,
        default=Path(given) if given else None,
        help="folder of efficientnet_lite0.keras and cifar10_jpegbytes.npz "
        "(default: the variable KERAS_KD_DATA)",
    )
    found.add_argument("--out", type=Path, default=Path("build/phone"))
    found.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    found.add_argument("--again", action="store_true", help="measure the files anew")
    found.add_argument("--fast", action="store_true", help="digits, short, for a look")
    return found


if __name__ == "__main__":
    main()
