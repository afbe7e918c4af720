"""The whole camera path, as `affect-edge run` puts it together: back to back, then at a camera's pace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.bench.memory import memory_mb

if TYPE_CHECKING:
    from edge.observation import Frame, Observation

_MEMORY_FRAMES = 30
_SCENE_SECONDS = 6.0
"""Of the demonstration that are drawn beforehand; the face stays in view."""


def job(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield parts of `document.Camera`, one after another, and when each was measured.

    Parameters
    ----------
    options
        {'config': FILE or null, 'frames': int, 'seconds': float of the back-to-back part, 'paced': float}
    """
    start = memory_mb("VmRSS")

    from edge.bench.machine import runtime_name
    from edge.bench.pacing import SOURCE, BackToBackFrames, PacedFrames, Turns, back_to_back_figures, paced_figures
    from edge.bench.scene import scene
    from edge.bench.stopwatch import Stopwatch
    from edge.config import load_config
    from edge.pipeline.camera import CameraLoop
    from edge.pipeline.faces import FacePipeline
    from edge.pipeline.sinks import Thinned
    from edge.sources.base import file_frame

    class Watched(FacePipeline):
        """Notes when each frame was answered."""

        def __call__(self, frame: Frame) -> list[Observation]:
            observations = super().__call__(frame)
            answered.append((frame.index, time.monotonic() - frame.monotonic_time))
            return observations

    answered: list[tuple[int, float]] = []
    config = load_config(Path(options["config"]) if options["config"] else None)
    pipeline = Watched.from_config(config)
    loaded = memory_mb("VmRSS")
    fps, size = config.camera.fps, {"width": config.camera.width, "height": config.camera.height}
    # As it runs: each frame is forgotten before the next is drawn.
    seen, pictures = scene(**size, fps=fps)
    for index, picture in enumerate(islice(pictures, _MEMORY_FRAMES)):
        pipeline(file_frame(picture, index, index / fps, SOURCE))
    memory = {
        "start_mb": start,
        "loaded_mb": loaded,
        "peak_mb": memory_mb("VmHWM"),
        "after_mb": memory_mb("VmRSS"),
    }
    figures: dict[str, Any] = {
        "scene": seen,
        **size,
        "fps": fps,
        "detector": config.face.model,
        "expression": config.expression.model,
        "runtime": runtime_name(),
        "memory": memory,
    }
    yield {"camera": figures}

    # The motion is that of the configured frame rate, for a face that moves further from frame to frame costs more.
    count = max(2, min(round(fps * _SCENE_SECONDS), options["frames"]))
    images = list(islice(scene(**size, fps=fps)[1], count))
    pipeline.reset()
    # What runs behind it does: a line on the console at times, here one that nobody reads.
    sinks = [Thinned(lambda observation: None, interval=5.0)]
    begins: list[tuple[float, int]] = []
    with Stopwatch() as watch:

        def begin() -> None:
            watch.reset()
            begins.append((time.monotonic(), pipeline.searches))

        lead_in = max(3, options["frames"] // 10)
        turns = Turns(options["frames"], options["seconds"], lead_in=lead_in, begin=begin)
        did = CameraLoop(BackToBackFrames(images, fps, turns), pipeline, sinks).run()
    ended = time.monotonic()
    ((began, searches),) = begins
    frames = len(turns.seconds)
    figures["back_to_back"] = back_to_back_figures(turns, watch)
    figures["frames_a_second"] = round(frames / sum(turns.seconds), 2)
    figures["searched"] = round((pipeline.searches - searches) / frames, 4)
    figures["observed"] = round(did.faces / did.frames, 4)
    yield {"camera": figures}
    yield {"phase": "camera, back to back", "begin": began, "end": ended, "count": frames}

    if not options["paced"]:
        return
    pipeline.reset()
    answered.clear()
    began, spent = time.monotonic(), time.process_time()
    did = CameraLoop(PacedFrames(images, fps), pipeline, sinks).run(duration=options["paced"])
    ended, spent = time.monotonic(), time.process_time() - spent
    figures["paced"] = paced_figures(
        [latency for _, latency in answered],
        period=1 / fps,
        # Those that came until the last one that was looked at.
        due=answered[-1][0] + 1,
        seconds=did.seconds,
        cpu_ms_a_second=spent / did.seconds * 1e3,
        observations=did.faces,
    )
    yield {"camera": figures}
    yield {"phase": "camera, at its pace", "begin": began, "end": ended, "count": did.frames}
