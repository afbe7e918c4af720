"""One pipeline back to back for minutes, told stretch by stretch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from edge.bench.memory import memory_mb

_FRAMES = 30


def job(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield how much was done in each stretch of time, without end.

    Parameters
    ----------
    options
        {'config': FILE or null, 'part': 'camera' or 'microphone', 'every': float seconds}
    """
    done = 0
    work = _frames(options) if options["part"] == "camera" else _half_seconds(options)
    # What is made beforehand, and the first run.
    next(work)
    begin = time.monotonic()
    for amount in work:
        done += amount
        took = time.monotonic() - begin
        if took >= options["every"]:
            yield {"stretch": done / took, "seconds": took, "memory_mb": memory_mb("VmRSS")}
            begin, done = time.monotonic(), 0


def _frames(options: dict[str, Any]) -> Iterator[int]:
    """Each time, a frame was looked at."""
    from edge.bench.pacing import SOURCE, to_and_fro
    from edge.bench.scene import scene
    from edge.config import load_config
    from edge.pipeline.faces import FacePipeline
    from edge.sources.base import file_frame

    config = load_config(Path(options["config"]) if options["config"] else None)
    pipeline = FacePipeline.from_config(config)
    fps, size = config.camera.fps, {"width": config.camera.width, "height": config.camera.height}
    images = list(islice(scene(**size, fps=fps)[1], _FRAMES))
    for index in count():
        pipeline(file_frame(images[to_and_fro(index, _FRAMES)], index, index / fps, SOURCE))
        yield 1


def _half_seconds(options: dict[str, Any]) -> Iterator[int]:
    """Each time, half a second of a voice was heard."""
    from edge.bench.microphone_job import RATE
    from edge.bench.pacing import SOURCE
    from edge.bench.sounds import cut, synthesised
    from edge.config import load_config
    from edge.pipeline.speech import SpeechPipeline

    config = load_config(Path(options["config"]) if options["config"] else None)
    pipeline = SpeechPipeline.from_config(config)
    hop = round(RATE * pipeline.step_seconds)
    voice = synthesised(10.0, RATE)
    cycle = len(voice) // hop * hop
    for turn in count():
        place = turn * hop
        for block in cut(voice[place % cycle :][:hop], RATE, position=place, source=SOURCE):
            pipeline.hear(block)
        yield 1
