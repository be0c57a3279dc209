"""Every row of the losses' contract: all that stand in the files of `rows/`.

A new loss is entered in its family's file, once for each of its arguments that changes
the formula; a test says so to whoever forgets.
"""

import importlib
from pathlib import Path

FILES = sorted((Path(__file__).parent / "rows").glob("[a-z]*.py"))

LOSSES = [
    row
    for file in FILES
    for row in importlib.import_module(f"tests.contracts.rows.{file.stem}").LOSSES
]
