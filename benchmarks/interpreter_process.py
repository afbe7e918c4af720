"""An interpreter of another environment or another machine: the parent's side of `interpreter_child`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.ending import last_words
from edge.errors import ModelError

CHILD = Path(__file__).with_name("interpreter_child.py")
"""What the child runs; it needs nothing beside it."""

_XNNPACK = "Created TensorFlow Lite XNNPACK delegate"
"""What every runtime prints when XNNPACK takes the model over."""


@dataclass(frozen=True)
class Place:
    """Where an interpreter runs."""

    name: str
    """For tables."""
    runtime: str
    """'litert', 'tflite-runtime' or 'tensorflow'."""
    python: tuple[str, ...]
    """The command that starts Python there, with its options."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set beside those of this process."""
    kernels: Literal["auto", "builtin"] = "auto"
    """'auto' is what the runtime takes by itself; 'builtin' keeps it from XNNPACK."""


class InterpreterProcess:
    """An interpreter at one place, for as long as the `with` block lasts.

    Parameters
    ----------
    place
        Where it runs.

    Raises
    ------
    ModelError
        The child ends before the runtime stands; what it said last is told.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._doing = "it starts"
        self._scratch = tempfile.TemporaryDirectory(prefix="affect-edge-")
        self._said = Path(self._scratch.name, "stderr")
        try:
            with self._said.open("wb") as said:
                self._process = subprocess.Popen(
                    # Given as text, for a script's folder comes first on the path, and this one is full of modules.
                    [*place.python, "-c", CHILD.read_text(), place.runtime, place.kernels],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                    cwd=self._scratch.name,
                    env={**os.environ, **place.environment},
                )
        except OSError as error:
            self._scratch.cleanup()
            raise ModelError(f"{place.name}: {place.python[0]} cannot be started: {error.strerror}") from None
        try:
            self.about: dict[str, Any] = self._answer()
            """Versions: 'runtime', 'python', 'numpy', 'machine'."""
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> InterpreterProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def kernels(self) -> str:
        """'XNNPACK' where the runtime said that it took a model over, or parts of it; else 'builtin'."""
        return "XNNPACK" if _XNNPACK in self._said.read_text(errors="replace") else "builtin"

    def load(self, model: Path, *, threads: int = 1) -> None:
        """Take another model: one input and one output, a batch of one.

        Raises
        ------
        ModelError
            The runtime cannot load it.
        """
        self._doing = f"{model} is loaded"
        self._ask({"load": str(model.resolve()), "threads": threads})
        self._doing = f"{model} runs"

    def run(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The stored numbers that the model answers to stored numbers, row by row: (n, ...) -> (n, ...).

        Raises
        ------
        ModelError
            The child ended.
        """
        inputs, outputs = Path(self._scratch.name, "x.npy"), Path(self._scratch.name, "y.npy")
        np.save(inputs, rows)
        self._ask({"run": str(inputs), "to": str(outputs)})
        answers: npt.NDArray[Any] = np.load(outputs)
        return answers

    def seconds(self, count: int) -> list[float]:
        """What each of `count` inferences takes, on the rows of the last `run` in turn.

        Raises
        ------
        ModelError
            The child ended.
        """
        times: list[float] = self._ask({"time": count})["seconds"]
        return times

    def close(self) -> None:
        """End the child and forget its files."""
        stdin, stdout = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        stdout.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._scratch.cleanup()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None and self._process.stdout is not None  # opened as pipes
        return self._process.stdin, self._process.stdout

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        stdin, _ = self._pipes()
        with contextlib.suppress(BrokenPipeError):  # why it ended is told below
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._pipes()[1].readline()
        if not line:
            ending = last_words(self._process.wait(), self._said)
            raise ModelError(f"{self.place.name}: ended while {self._doing}, {ending}")
        answer: dict[str, Any] = json.loads(line)
        return answer
