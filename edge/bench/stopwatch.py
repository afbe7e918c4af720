"""How much of a pipeline's time its models' invocations take."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import numpy.typing as npt

from edge.inference.interpreter import Interpreter


class Stopwatch:
    """While the block lasts, every `Interpreter.run` of this process is timed; of one thread alone.

    It takes the place of a method of the class, so it belongs into a process of its own.
    """

    def __init__(self) -> None:
        self.calls = 0
        """Invocations of models."""
        self._wall = self._cpu = 0

    @property
    def seconds(self) -> float:
        """Spent in models so far."""
        return self._wall / 1e9

    @property
    def cpu_seconds(self) -> float:
        """That the calling thread itself worked in them; what other threads and a GPU did is not in it."""
        return self._cpu / 1e9

    def reset(self) -> None:
        """Begin anew."""
        self.calls = self._wall = self._cpu = 0

    def __enter__(self) -> Stopwatch:
        self._untimed = untimed = Interpreter.run

        def run(interpreter: Interpreter, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
            began, worked = time.perf_counter_ns(), time.thread_time_ns()
            answer = untimed(interpreter, x)
            self._cpu += time.thread_time_ns() - worked
            self._wall += time.perf_counter_ns() - began
            self.calls += 1
            return answer

        setattr(Interpreter, "run", run)  # noqa: B010 - mypy lets no method be assigned to
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        setattr(Interpreter, "run", self._untimed)  # noqa: B010
