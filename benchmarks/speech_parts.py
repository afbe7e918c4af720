"""Runs speech pipelines hop by hop, and finds where the time of a hop goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bench.sounds import cut
from edge.observation import AudioBlock, Samples
from edge.pipeline import speech
from edge.pipeline.speech import SpeechPipeline

PARTS = ("resample", "log-mel", "gate", "normalise", "encode", "classify", "smooth")
"""Of a hop, in their order; what they leave is 'the rest'."""

_WATCHED = {
    "_resampler": {"feed": "resample"},
    "_stream": {"feed": "log-mel"},
    "_gate": {"__call__": "gate"},
    "_recognizer": {"encode": "encode", "classify": "classify"},
}
_module = vars(speech)


class Listener:
    """A pipeline that hears a sound again and again, a hop with each step.

    Parameters
    ----------
    pipeline
        Hears the lead-in at once: until its context is full.
    sound
        (n,) float32 at `rate`; whole hops of it are used.
    rate
        Hertz.
    lead_in
        Hops.
    """

    def __init__(self, pipeline: SpeechPipeline, sound: Samples, rate: int, *, lead_in: int) -> None:
        self.pipeline = pipeline
        self.judged: list[str] = []
        """Of each step: 'speech', 'silence', 'no speech', or '' where it did not complete just one hop."""
        self._sound = sound
        self._rate = rate
        self._hop = round(rate * pipeline.step_seconds)
        self._position = 0
        for _ in range(lead_in):
            self.step(self.blocks())
        self.judged.clear()

    def blocks(self) -> list[AudioBlock]:
        """The sound of the next step."""
        start = self._position % (len(self._sound) // self._hop * self._hop)
        made = cut(self._sound[start : start + self._hop], self._rate, position=self._position, source="benchmark")
        self._position += self._hop
        return made

    def step(self, blocks: list[AudioBlock]) -> None:
        """Hear them."""
        hops = [hop for block in blocks for hop in self.pipeline.hear(block)]
        self.judged.append(hops[0].heard if len(hops) == 1 else "")

    def steps(self, count: int) -> Callable[[int], None]:
        """A function for `measuring.interleaved` that steps through the next `count` hops, made beforehand."""
        waiting: Iterator[list[AudioBlock]] = iter([self.blocks() for _ in range(count)])
        return lambda turn: self.step(next(waiting))


class Watch(Listener):
    """A listener that also measures what each part of its pipeline takes."""

    def __init__(self, pipeline: SpeechPipeline, sound: Samples, rate: int, *, lead_in: int) -> None:
        self.spent: list[dict[str, float]] = []
        """Of each step, seconds of each part."""
        self._now = dict.fromkeys(PARTS, 0.0)
        # A function of the pipeline's module, which other pipelines use too: it is exchanged for the time of a step.
        self._untimed = _module["normalise"]
        self._normalise = self._timed("normalise", self._untimed)
        super().__init__(pipeline, sound, rate, lead_in=lead_in)
        self.spent.clear()
        for name, methods in _WATCHED.items():
            setattr(pipeline, name, _Watched(getattr(pipeline, name), self._timed, methods))
        vars(pipeline)["_observe"] = self._timed("smooth", pipeline._observe)

    def step(self, blocks: list[AudioBlock]) -> None:
        """Hear them, and note what each part took."""
        _module["normalise"] = self._normalise
        try:
            super().step(blocks)
        finally:
            _module["normalise"] = self._untimed
        self.spent.append(dict(self._now))
        self._now.update(dict.fromkeys(PARTS, 0.0))

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter_ns()
            result = function(*arguments)
            self._now[part] += (time.perf_counter_ns() - began) / 1e9
            return result

        return timed


class _Watched:
    """Stands in for an object; some of its methods are timed."""

    def __init__(
        self, target: Any, timed: Callable[[str, Callable[..., Any]], Callable[..., Any]], methods: dict[str, str]
    ) -> None:
        self._target = target
        for method, part in methods.items():
            vars(self)[method] = timed(part, getattr(target, method))

    def __call__(self, *arguments: Any) -> Any:
        return vars(self)["__call__"](*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


def parts_of(watch: Watch, seconds: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """What each part, the rest and the whole took in the last steps.

    Parameters
    ----------
    watch
        After its steps.
    seconds
        (n,) that the last n steps took as wholes.

    Returns
    -------
    (n,) seconds for each of `PARTS`, 'the rest' and 'whole'
    """
    steps = watch.spent[-len(seconds) :]
    found = {part: np.array([step[part] for step in steps]) for part in PARTS}
    return {**found, "the rest": seconds - sum(found.values()), "whole": seconds}
