"""What one face costs, beside the bare model; then what a whole frame costs.

Measured in one process, in turns:

  invoke          the interpreter's own invoke(), its input already set: what the model alone costs
  probabilities   ExpressionRecognizer(frame, face): crop, scale, quantise, invoke, calibrated softmax
  ready crop      the same without cutting the face out: ExpressionRecognizer.recognize(crop)
  crop            only cutting the face out, turning and scaling it by its landmarks
  detection       the face detector on the frame
  frame           the whole pipeline on a frame by itself: detection, expression, smoothing

The overhead is what 'probabilities' takes beyond 'invoke', as a part of it; the aim is under 30 %. The frames are
640x480 from the built-in demonstration, their faces where the detector finds them, 70 to 170 pixels wide. What the
detector takes by itself is told by benchmarks.detector_speed, a camera's successive frames by benchmarks.camera_loop.

examples:
  python -m benchmarks.latency                  threads 1 and 2
  python -m benchmarks.latency --threads 4 --json
  python -m benchmarks.latency --model my.tflite
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import measuring
from edge.config import Config
from edge.errors import ModelError
from edge.features.face import crop_face
from edge.inference.catalog import find_model
from edge.observation import Face, Frame
from edge.pipeline.faces import FacePipeline
from edge.recognizers.expression import ExpressionRecognizer
from edge.recognizers.face_detector import FaceDetector
from edge.sources.demo import DemoSource

AIM = 0.30
"""The overhead that the project allows itself, as a part of the bare invoke."""

Advance = Callable[[], object]

_FACE = ("invoke", "probabilities", "ready crop", "crop")


def measure(
    model: Path, detector: Path, *, threads: Sequence[int], rounds: int, frame_rounds: int, progress: bool
) -> measuring.Results:
    """Time one face and one frame for each number of threads."""
    from tqdm import tqdm

    warmup, frame_warmup = max(5, rounds // 10), max(2, frame_rounds // 10)
    scenes = _scenes(detector, 16)
    total = len(threads) * (rounds + warmup + frame_rounds + frame_warmup)
    runs = []
    with tqdm(total=total, unit="round", disable=not progress) as bar:
        for count in threads:
            recognizer = ExpressionRecognizer(model, threads=count)
            face = _time_face(recognizer, scenes, rounds, warmup, bar.update)
            finder = FaceDetector(detector, threads=count)
            frame = _time_frame(finder, recognizer, scenes, frame_rounds, frame_warmup, bar.update)
            runs.append({"threads": count, **face, **frame})
    sides = [face.box.width for _, face in scenes]
    return {
        "model": {"file": model.name, "sha256": recognizer.manifest.sha256, "version": recognizer.manifest.version},
        "detector": {"file": detector.name, "sha256": finder.manifest.sha256, "version": finder.manifest.version},
        "protocol": {
            "rounds": rounds,
            "warmup": warmup,
            "frame_rounds": frame_rounds,
            "frame_warmup": frame_warmup,
            "frame": "640x480 BGR",
            "scenes": len(scenes),
            "face_pixels": [min(sides), max(sides)],
            "aim_overhead": AIM,
        },
        "runs": runs,
    }


def _scenes(model: Path, count: int) -> list[tuple[Frame, Face]]:
    """Frames of the demonstration that show one face, some half a second apart, and what the detector finds there.

    Raises
    ------
    ModelError
        The detector finds no face in a minute of the demonstration.
    """
    detector = FaceDetector(model)
    found: list[tuple[Frame, Face]] = []
    for frame in DemoSource(paced=False, frames=900):
        if frame.index % 7 == 0 and len(faces := detector(frame.image)) == 1:
            found.append((frame, faces[0]))
            if len(found) == count:
                break
    if not found:
        raise ModelError(f"{model}: finds no face in the demonstration: is it a face detector that was trained?")
    return found


def _time_face(
    recognizer: ExpressionRecognizer, scenes: list[tuple[Frame, Face]], rounds: int, warmup: int, advance: Advance
) -> measuring.Results:
    # The recognizer's own interpreter, so that both sides share one copy of the weights in the caches.
    bare = recognizer._interpreter._backend
    size = recognizer.manifest.input.shape[1]
    images = [(frame.image, face) for frame, face in scenes]
    crops = [crop_face(image, face, size=size) for image, face in images]
    recognizer.recognize(crops[0])  # sets the input
    seconds = measuring.interleaved(
        {
            "invoke": lambda turn: bare.invoke(),
            "probabilities": lambda turn: recognizer(*images[turn % len(images)]),
            "ready crop": lambda turn: recognizer.recognize(crops[turn % len(crops)]),
            "crop": lambda turn: crop_face(*images[turn % len(images)], size=size),
        },
        rounds=rounds,
        warmup=warmup,
        advance=advance,
    )
    microseconds = {name: measuring.spread(values, 1e6) for name, values in seconds.items()}
    invoke = microseconds["invoke"]["median"]
    return {
        "microseconds": microseconds,
        "overhead": round(microseconds["probabilities"]["median"] / invoke - 1, 3),
        "overhead_ready_crop": round(microseconds["ready crop"]["median"] / invoke - 1, 3),
    }


def _time_frame(
    detector: FaceDetector,
    recognizer: ExpressionRecognizer,
    scenes: list[tuple[Frame, Face]],
    rounds: int,
    warmup: int,
    advance: Advance,
) -> measuring.Results:
    pipeline = FacePipeline(detector, recognizer, Config())
    seconds = measuring.interleaved(
        {
            "detection": lambda turn: detector(scenes[turn % len(scenes)][0].image),
            "frame": lambda turn: pipeline.still(scenes[turn % len(scenes)][0]),
        },
        rounds=rounds,
        warmup=warmup,
        advance=advance,
    )
    milliseconds = {name: measuring.spread(values, 1e3, 2) for name, values in seconds.items()}
    share = milliseconds["detection"]["median"] / milliseconds["frame"]["median"]
    return {"milliseconds": milliseconds, "detection_share": round(share, 3)}


def table(results: measuring.Results) -> str:
    """The figures for people."""
    protocol = results["protocol"]
    low, high = protocol["face_pixels"]
    lines = [
        f"{protocol['rounds']} rounds in turn after {protocol['warmup']} to warm up, {protocol['frame_rounds']} after "
        f"{protocol['frame_warmup']} for whole frames; {protocol['frame']}, faces {low} to {high} pixels wide",
        "",
        f"{'threads':<9}{'what':<16}{'median':>10}{'5 %':>10}{'95 %':>10}{'':7}{'beside invoke':>13}",
    ]
    for run in results["runs"]:
        invoke = run["microseconds"]["invoke"]["median"]
        for unit, name, values, per_us in (
            *(("us", name, run["microseconds"][name], 1.0) for name in _FACE),
            *(("ms", name, values, 1e3) for name, values in run["milliseconds"].items()),
        ):
            lines.append(
                f"{run['threads']:<9}{name:<16}{values['median']:>10}{values['p5']:>10}{values['p95']:>10} {unit:<6}"
                f"{values['median'] * per_us / invoke:>12.2f}x"
            )
        lines.append(
            f"{run['threads']:<9}overhead over the bare invoke {run['overhead']:.1%} (aim: under {AIM:.0%}), "
            f"from a ready crop {run['overhead_ready_crop']:.1%}; detection is {run['detection_share']:.0%} of a frame"
        )
        lines.append("")
    return "\n".join(lines).rstrip()


def run(arguments: argparse.Namespace) -> int:
    rounds, frame_rounds = (60, 12) if arguments.quick else (arguments.rounds, max(1, arguments.rounds // 4))
    results = measure(
        find_model("expression", arguments.model),
        find_model("face-detection", arguments.detector or Config().face.model),
        threads=arguments.threads,
        rounds=rounds,
        frame_rounds=frame_rounds,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("latency", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.latency", __doc__)
    parser.add_argument(
        "--model", metavar="NAME|FILE", help="an installed model or a .tflite file (default: expression)"
    )
    parser.add_argument("--detector", metavar="NAME|FILE", help="the face detector (default: the configuration's)")
    parser.add_argument(
        "--threads", type=measuring.positive, nargs="+", default=[1, 2], metavar="N", help="default: 1 2"
    )
    parser.add_argument(
        "--rounds",
        type=measuring.positive,
        default=2000,
        metavar="N",
        help="default 2000; whole frames take a quarter of them",
    )
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
