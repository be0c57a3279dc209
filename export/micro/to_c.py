"""A .tflite file as a C++ array, with what a program must know of it.

python export/micro/to_c.py student_int8.tflite out/
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_kd.export import ExportError
from keras_kd.export.micro.source import describe, to_c


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact", help="a .tflite file, best of recipe int8")
    parser.add_argument("folder", help="where model_data.h and model_data.cc go")
    parser.add_argument("--overwrite", action="store_true", help="replace them")
    arguments = parser.parse_args()
    try:
        files = to_c(
            arguments.artifact, arguments.folder, overwrite=arguments.overwrite
        )
    except (ExportError, OSError, ValueError) as error:
        sys.exit(f"{parser.prog}: {error}")
    model = describe(arguments.artifact)
    print(f"{len(model.content)} bytes, an arena of at most {model.arena_bytes} bytes")
    print(f"operators: {', '.join(model.operators)}")
    print("\n".join(str(path) for path in files))


if __name__ == "__main__":
    main()
