"""Every row of the layers' contract: all that stand in the files of `layer_rows/`.

A new layer is entered in a file there, once for each of its arguments that changes
what it does; a test says so to whoever forgets.
"""

import importlib
from pathlib import Path

FILES = sorted((Path(__file__).parent / "layer_rows").glob("[a-z]*.py"))

LAYERS = [
    row
    for file in FILES
    for row in importlib.import_module(f"tests.contracts.layer_rows.{file.stem}").LAYERS
]
