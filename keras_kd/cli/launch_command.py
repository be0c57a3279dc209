"""`keras-kd launch`: a script in several processes that train together.

Imports nothing heavy: the workers do.
"""

from __future__ import annotations

import argparse

from keras_kd.cli.group import launch_group


def launch(arguments: argparse.Namespace, typed: str) -> int:
    """`keras-kd launch`: the exit code is the script's."""
    return launch_group(
        arguments.script,
        arguments.arguments,
        workers=arguments.workers,
        restarts=arguments.restarts,
    )
