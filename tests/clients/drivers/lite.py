"""Runs files in the LiteRT of the Python that starts it: see `tests/clients/jobs.py`.

Needs nothing but numpy and ai_edge_litert, so that it runs under emulation too.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(path, inputs, out):
    """One file over all examples, one at a time, by the names of its signature."""
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    keys = list(interpreter.get_signature_list())
    runner = interpreter.get_signature_runner("serve" if "serve" in keys else keys[0])
    arrays = {name: np.load(file) for name, file in inputs.items()}
    results = []
    for i in range(len(next(iter(arrays.values())))):
        answer = runner(**{name: array[i : i + 1] for name, array in arrays.items()})
        results.append({name: value.copy() for name, value in answer.items()})
    out.mkdir(parents=True, exist_ok=True)
    for name in results[0]:
        np.save(out / name, np.concatenate([result[name] for result in results]))


def main(listed):
    for job in json.loads(Path(listed).read_text()):
        print(json.dumps({"begin": job["path"]}), flush=True)
        try:
            run(job["path"], job["inputs"], Path(job["out"]))
        except (RuntimeError, ValueError) as error:
            print(json.dumps({"refused": str(error)}), flush=True)
        else:
            print(json.dumps({"done": job["path"]}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
