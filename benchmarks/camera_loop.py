"""How many frames a second the whole face path makes, 640x480 frame to smoothed observation, on one thread.

Four loops take turns in one process, each with one face before it:

  before           Haar on every frame (searched at 240 lines), the square around its box
  every frame      our detector on every frame (face.interval = 0)
  moving           as shipped, the demonstration's face moving
  static           as shipped, the face at rest, in a camera's noise

The frames come 15 to the second by their own clock and are drawn beforehand; drawing and capture are not counted.
Frames a second are one over the mean, which counts the searches that the median would hide. The aim: 3 ms a frame.

examples:
  python -m benchmarks.camera_loop
  python -m benchmarks.camera_loop --detector my.tflite --rounds 2000 --json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.former_loop import FormerPipeline
from edge.config import Config
from edge.errors import ModelError
from edge.inference.catalog import find_model
from edge.observation import Frame, Image, Observation
from edge.pipeline.faces import FacePipeline
from edge.recognizers.expression import ExpressionRecognizer
from edge.recognizers.face_detector import FaceDetector
from edge.sources.base import file_frame
from edge.sources.demo import DemoSource

AIM_MS = 3.0
FPS = 15.0
MOVING_FRAMES = 120
STATIC_FRAMES = 8
NOISE = 2.0
"""Standard deviation of a camera's noise, grey levels."""

Pipeline = Callable[[Frame], list[Observation]]


class Loop:
    """One pipeline and the frames that it sees, forth and back without end, so that nothing ever jumps."""

    def __init__(self, pipeline: Pipeline, images: Sequence[Image]) -> None:
        self.pipeline = pipeline
        self.observed = 0
        """Frames that gave just one observation."""
        self.frames = 0
        self._images = images

    def step(self, turn: int) -> None:
        """Look at the next frame; the number of the turn does not matter."""
        del turn
        last = len(self._images) - 1
        at = last - abs(self.frames % (2 * last) - last)
        observations = self.pipeline(file_frame(self._images[at], self.frames, self.frames / FPS, "benchmark"))
        self.frames += 1
        self.observed += len(observations) == 1


def measure(detector: Path, expression: Path, *, rounds: int, progress: bool) -> measuring.Results:
    """Run the loops in turns and time each frame."""
    from tqdm import tqdm

    config = Config()
    moving, static = moving_frames(MOVING_FRAMES), static_frames(STATIC_FRAMES)
    always = config.model_copy(update={"face": config.face.model_copy(update={"interval": 0.0})})

    def pipeline(chosen: Config) -> FacePipeline:
        return FacePipeline(
            FaceDetector(detector, min_size=chosen.face.min_size), ExpressionRecognizer(expression), chosen
        )

    loops: dict[str, Loop] = {}
    absent = ""
    try:
        loops["before"] = Loop(FormerPipeline(ExpressionRecognizer(expression), config), moving)
    except ModelError as error:
        absent = str(error)
    loops["every frame"] = Loop(pipeline(always), moving)
    loops["moving"] = Loop(pipeline(config), moving)
    loops["static"] = Loop(pipeline(config), static)
    warmup = max(5, rounds // 10)
    with tqdm(total=rounds + warmup, unit="round", disable=not progress) as bar:
        seconds = measuring.interleaved(
            {name: loop.step for name, loop in loops.items()}, rounds=rounds, warmup=warmup, advance=bar.update
        )
    return {
        "protocol": {
            "rounds": rounds,
            "warmup": warmup,
            "frame": "640x480 BGR",
            "frames_a_second_of_the_scene": FPS,
            "threads": 1,
            "aim_ms": AIM_MS,
            "detector": detector.name,
            "expression": expression.name,
        },
        "loops": {name: _figures(loop, seconds[name].tolist()) for name, loop in loops.items()},
        "before_absent": absent,
    }


def _figures(loop: Loop, seconds: Sequence[float]) -> measuring.Results:
    mean = float(np.mean(seconds))
    pipeline = loop.pipeline
    searches = pipeline.searches if isinstance(pipeline, FacePipeline) else loop.frames
    return {
        "milliseconds": {"mean": round(mean * 1e3, 3), **measuring.spread(seconds, 1e3, 3)},
        "frames_a_second": round(1 / mean, 1),
        "searched": round(searches / loop.frames, 3),
        "with_one_observation": round(loop.observed / loop.frames, 3),
    }


def moving_frames(count: int) -> list[Image]:
    """The first frames of the demonstration, whose face moves and stays in view."""
    return [frame.image for frame in islice(DemoSource(paced=False, fps=FPS), count)]


def static_frames(count: int) -> list[Image]:
    """One frame of the demonstration, so many times, each with noise of its own."""
    (image,) = moving_frames(1)
    random = np.random.default_rng(0)
    noisy = (image + random.normal(0.0, NOISE, image.shape) for _ in range(count))
    return [np.clip(np.rint(each), 0, 255).astype(np.uint8) for each in noisy]


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol, loops = results["protocol"], results["loops"]
    yield (
        f"{protocol['rounds']} frames of each in turn after {protocol['warmup']} to warm up; {protocol['frame']}, "
        f"one face, one thread; {protocol['detector']}, {protocol['expression']}"
    )
    yield ""
    yield (
        f"{'loop':<14}{'frames/s':>10}{'mean ms':>10}{'median':>10}{'5 %':>10}{'95 %':>10}{'searched':>10}"
        f"{'observed':>10}{'before/this':>13}"
    )
    before = loops.get("before")
    for name, loop in loops.items():
        times = loop["milliseconds"]
        ratio = f"{before['milliseconds']['mean'] / times['mean']:.1f}x" if before else ""
        yield (
            f"{name:<14}{loop['frames_a_second']:>10}{times['mean']:>10}{times['median']:>10}{times['p5']:>10}"
            f"{times['p95']:>10}{loop['searched']:>10.0%}{loop['with_one_observation']:>10.0%}{ratio:>13}"
        )
    yield ""
    yield f"aim: under {AIM_MS:g} ms; searched: frames in which the detector ran; observed: with one observation"
    if results["before_absent"]:
        yield f"before: absent: {results['before_absent']}"


def run(arguments: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    results = measure(
        find_model("face-detection", arguments.detector or Config().face.model),
        find_model("expression", arguments.model),
        rounds=20 if arguments.quick else arguments.rounds,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("camera_loop", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.camera_loop", __doc__)
    parser.add_argument("--detector", metavar="NAME|FILE", help="our face detector (default: the configuration's)")
    parser.add_argument("--model", metavar="NAME|FILE", help="the expression model (default: expression)")
    parser.add_argument("--rounds", type=measuring.positive, default=400, metavar="N", help="frames (default 400)")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
