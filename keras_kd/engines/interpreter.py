"""One LiteRT interpreter of one thread, from a file's bytes."""

from __future__ import annotations

import numpy as np

from keras_kd.export.quiet import quiet
from keras_kd.export.runtime import FileRunner, entering, leaving


class SingleThread(FileRunner):
    """Runs a file on batches of any size, in real numbers, on the caller's core.

    Args:
        content: the bytes of a .tflite file with one signature. They stay in memory.
    """

    def __init__(self, content: bytes):
        from ai_edge_litert.interpreter import Interpreter

        self._content = content  # the interpreter points into them
        with quiet():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        self._run = self._interpreter.get_signature_runner()
        self.inputs = self._run.get_input_details()
        self.outputs = self._run.get_output_details()

    def _invoke(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = self._run(
            **{
                name: entering(self.inputs[name], self._filled(array))
                for name, array in batch.items()
            }
        )
        return {
            name: leaving(self.outputs[name], array) for name, array in results.items()
        }
