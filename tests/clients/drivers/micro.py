"""Runs files in TFLite-Micro's interpreter: see `tests/clients/jobs.py`.

    python micro.py jobs.json
    python micro.py --arena FILE

The second prints the smallest arena, to 16 bytes, with which a file runs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from tflite_micro import runtime

ARENA = 1 << 20
STEP = 16


def interpreter_of(content, arena=ARENA):
    return runtime.Interpreter.from_bytes(content, arena_size=arena)


def run(path, inputs, out, output):
    """One input, one output: Micro knows them by number, not by name."""
    interpreter = interpreter_of(Path(path).read_bytes())
    (values,) = (np.load(file) for file in inputs.values())
    results = []
    for i in range(len(values)):
        interpreter.set_input(values[i : i + 1], 0)
        interpreter.invoke()
        results.append(np.array(interpreter.get_output(0)))
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / output, np.concatenate(results))


def smallest_arena(path):
    """By halving, each try in a process of its own, since a small arena aborts."""
    low, high = 0, ARENA // STEP
    while high - low > 1:
        middle = (low + high) // 2
        command = [sys.executable, __file__, "--try", path, str(middle * STEP)]
        if subprocess.run(command, capture_output=True).returncode:
            low = middle
        else:
            high = middle
    return high * STEP


def main(listed):
    for job in json.loads(Path(listed).read_text()):
        print(json.dumps({"begin": job["path"]}), flush=True)
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), 2)  # the interpreter prints its reasons there
            try:
                run(job["path"], job["inputs"], Path(job["out"]), *job["outputs"])
            except (RuntimeError, ValueError) as error:
                said.seek(0)
                reasons = said.read().decode(errors="replace").split("\n")
                print(json.dumps({"refused": reasons[0] or str(error)}), flush=True)
            else:
                print(json.dumps({"done": job["path"]}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--arena":
        print(smallest_arena(sys.argv[2]))
    elif sys.argv[1] == "--try":
        interpreter_of(Path(sys.argv[2]).read_bytes(), int(sys.argv[3])).invoke()
    else:
        main(sys.argv[1])
