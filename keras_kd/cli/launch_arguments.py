"""What can be typed after `keras-kd launch`."""

from __future__ import annotations

import argparse

from keras_kd.cli.shared_arguments import Add, default


def launch(add: Add) -> None:
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes of this machine; unless given, the one of TF_CONFIG",
    )
    add(
        "--restarts",
        type=int,
        default=3,
        metavar="N",
        help=default("3", "how many times the whole group is started again"),
    )
    add("script", metavar="SCRIPT.py", help="what each worker runs")
    add(
        "arguments",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="what the script is given",
    )
