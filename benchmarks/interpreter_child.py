"""One interpreter in a process of its own: runs under any Python from 3.8 on that has NumPy and a runtime.

It needs nothing of this project, for the environments that it runs in hold a runtime and nothing else: an old one
beside NumPy 1, or another machine's under an emulator. It is started with the runtime's name (litert, tflite-runtime or
tensorflow) and the kernels that it shall use (auto, or builtin: without XNNPACK). It answers with one line of JSON on
stdout when the runtime is imported, then with one for each line of JSON on stdin, until stdin ends:

    {"load": MODEL, "threads": N}   a .tflite file of one input and one output, in place of the one before
    {"run": X.npy, "to": Y.npy}     the model on each row of X, its answers as rows of Y
    {"time": N}                     the seconds that each of N inferences took, on the rows of the last X in turn
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

DISTRIBUTIONS = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime", "tensorflow": "tensorflow"}
"""What pip calls each runtime."""


def interpreter_maker(runtime: str, kernels: str) -> Any:
    """The runtime's `Interpreter`, to be called with a file and a number of threads."""
    if runtime == "tensorflow":
        import tensorflow

        interpreter, resolvers = tensorflow.lite.Interpreter, tensorflow.lite.experimental.OpResolverType
    else:
        module = import_module("ai_edge_litert.interpreter" if runtime == "litert" else "tflite_runtime.interpreter")
        interpreter, resolvers = module.Interpreter, module.OpResolverType
    if kernels == "auto":
        return interpreter
    return partial(interpreter, experimental_op_resolver_type=resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


class Child:
    """The interpreter."""

    def __init__(self, runtime: str, kernels: str) -> None:
        self._make = interpreter_maker(runtime, kernels)
        self._rows: Any = None
        self._next = 0

    def load(self, model: str, threads: int) -> dict[str, Any]:
        """Another model."""
        self._backend = self._make(model_path=model, num_threads=threads)
        self._backend.allocate_tensors()
        self._input = self._backend.get_input_details()[0]["index"]
        self._output = self._backend.get_output_details()[0]["index"]
        return {}

    def run(self, inputs: str, outputs: str) -> dict[str, Any]:
        """All rows of a file."""
        self._rows, self._next = np.load(inputs), 0
        answers = []
        for row in self._rows:
            self._backend.set_tensor(self._input, row[None])
            self._backend.invoke()
            answers.append(self._backend.get_tensor(self._output)[0])
        np.save(outputs, np.stack(answers))
        return {}

    def time(self, count: int) -> dict[str, Any]:
        """invoke() alone; the input is set before."""
        seconds = []
        for _ in range(count):
            row = self._rows[self._next % len(self._rows)]
            self._next += 1
            self._backend.set_tensor(self._input, row[None])
            began = time.perf_counter()
            self._backend.invoke()
            seconds.append(time.perf_counter() - began)
        return {"seconds": seconds}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what a line asks."""
        if "load" in asked:
            return self.load(asked["load"], asked["threads"])
        return self.time(asked["time"]) if "time" in asked else self.run(asked["run"], asked["to"])


def main() -> None:
    runtime, kernels = sys.argv[1:]
    # Some runtimes greet on stdout: from here on that is stderr, and the answers have the real one to themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    child = Child(runtime, kernels)
    ready = {
        "runtime": f"{runtime} {version(DISTRIBUTIONS[runtime])}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    print(json.dumps(ready), file=answers)
    for line in sys.stdin:
        print(json.dumps(child.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main()
