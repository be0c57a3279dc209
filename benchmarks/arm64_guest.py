"""Runs under the emulated Python: inference between marks that the counter sees.

    python arm64_guest.py FILE RUNS

The counter prints its total at each `os.getppid()`: around `RUNS` inferences, and
around as many calls of the same kind that compute nothing.
"""

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def main(path, runs):
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for tensor in interpreter.get_input_details():
        values = generator.integers(0, 2, tensor["shape"])
        interpreter.set_tensor(tensor["index"], values.astype(tensor["dtype"]))
    for call in (interpreter.invoke, interpreter.reset_all_variables):
        for _ in range(3):
            call()
        os.getppid()
        for _ in range(runs):
            call()
        os.getppid()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
