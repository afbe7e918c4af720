"""What finding the faces of one 640x480 frame costs on one thread: ours and Haar in turns, in one process.

  whole              FaceDetector(frame): from BGR pixels to faces
  letterbox          only making the frame grey and as small as the model's input
  invoke             only the interpreter's own invoke(), its input already set
  the rest           whole less both: pixels to int8, cells to boxes and landmarks
  Haar, usual call   detectMultiScale on the whole frame: equalised grey, scaleFactor 1.1, minNeighbors 5, minSize 30
  Haar, 240 lines    as our camera loop called it before: the frame searched at 240 lines, faces from 15 % of its height

The frames are the built-in demonstration's, with one face. The aims: 1.5 ms whole, at least 50 times faster than Haar,
a file of at most 300 KB (the near model).

examples:
  python -m benchmarks.detector_speed
  python -m benchmarks.detector_speed --model face_near --rounds 1000 --json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2

from benchmarks import measuring
from benchmarks.detectors import installed_detectors
from benchmarks.haar import HaarFaceDetector, usual_call
from edge.errors import ModelError
from edge.features.letterbox import letterbox
from edge.observation import Image
from edge.recognizers.face_detector import FaceDetector
from edge.sources.demo import DemoSource

AIM_MS = 1.5
AIM_TIMES = 50
AIM_KB = 300

IN_A_ROW = "whole, in a row"
_PARTS = ("whole", "letterbox", "invoke", IN_A_ROW)


def measure(models: Sequence[Path], *, rounds: int, progress: bool) -> measuring.Results:
    """Time our detectors, their parts, and Haar on the demonstration's frames."""
    from tqdm import tqdm

    frames = one_face_frames(16)
    detectors = {model.stem: FaceDetector(model) for model in models}
    calls: dict[str, Callable[[int], object]] = {}
    for name, detector in detectors.items():
        calls |= _parts(name, detector, frames)
    absent = ""
    try:
        haar = HaarFaceDetector()
    except ModelError as error:
        absent = str(error)
    else:
        calls["Haar, usual call"] = lambda turn: usual_call(haar.cascade, frames[turn % len(frames)])
        calls["Haar, 240 lines"] = lambda turn: haar(frames[turn % len(frames)])
    warmup = max(3, rounds // 10)
    with tqdm(total=rounds + warmup, unit="round", disable=not progress) as bar:
        seconds = measuring.interleaved(calls, rounds=rounds, warmup=warmup, advance=bar.update)
    for name in detectors:
        # In turns, the caches hold another's weights each time; a device runs one detector, frame after frame.
        seconds |= measuring.interleaved({f"{name} {IN_A_ROW}": calls[f"{name} whole"]}, rounds=rounds, warmup=warmup)
    milliseconds = {name: measuring.spread(values, 1e3, 3) for name, values in seconds.items()}
    return {
        "protocol": {
            "rounds": rounds,
            "warmup": warmup,
            "frame": "640x480 BGR",
            "frames": len(frames),
            "threads": 1,
            "aim_ms": AIM_MS,
            "aim_times": AIM_TIMES,
            "aim_kb": AIM_KB,
        },
        "models": {
            model.stem: _model(model.stem, detectors[model.stem], model.stat().st_size, milliseconds)
            for model in models
        },
        "haar": {name: values for name, values in milliseconds.items() if name.startswith("Haar")},
        "haar_absent": absent,
    }


def one_face_frames(count: int) -> list[Image]:
    """Frames of the demonstration while its face is in view, half a second apart."""
    frames = []
    for frame in DemoSource(paced=False):
        # It leaves after 15 of every 20 seconds.
        if frame.index % 7 == 0 and frame.monotonic_time % 20 < 15:
            frames.append(frame.image)
            if len(frames) == count:
                break
    return frames


def _parts(name: str, detector: FaceDetector, frames: Sequence[Image]) -> dict[str, Callable[[int], object]]:
    _, height, width, _ = detector.manifest.input.shape
    # The detector's own interpreter, so that there is one copy of the weights in the caches.
    bare = detector._interpreter._backend
    detector(frames[0])  # sets the input
    return {
        f"{name} whole": lambda turn: detector(frames[turn % len(frames)]),
        f"{name} letterbox": lambda turn: letterbox(frames[turn % len(frames)], height, width),
        f"{name} invoke": lambda turn: bare.invoke(),
    }


def _model(
    name: str, detector: FaceDetector, file_bytes: int, milliseconds: dict[str, dict[str, float]]
) -> measuring.Results:
    _, height, width, _ = detector.manifest.input.shape
    parts = {part: milliseconds[f"{name} {part}"] for part in _PARTS}
    whole = parts["whole"]["median"]
    rest = whole - parts["letterbox"]["median"] - parts["invoke"]["median"]
    return {
        "input": f"{width}x{height}",
        "file_kb": round(file_bytes / 1e3, 1),
        "sha256": detector.manifest.sha256,
        "milliseconds": parts,
        "rest_ms": round(rest, 3),
        "times_faster": {
            haar: round(values["median"] / whole, 1) for haar, values in milliseconds.items() if haar.startswith("Haar")
        },
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol = results["protocol"]
    yield (
        f"{protocol['rounds']} rounds in turn after {protocol['warmup']} to warm up; {protocol['frame']}, one face, "
        "one thread"
    )
    yield ""
    yield f"{'':<28}{'median':>10}{'5 %':>10}{'95 %':>10}"
    for name, model in results["models"].items():
        for part, values in model["milliseconds"].items():
            yield _row(f"{name}, {part}", values)
        yield f"{name + ', the rest':<28}{model['rest_ms']:>10.3f}{'':>20} ms"
    for name, values in results["haar"].items():
        yield _row(name, values)
    yield ""
    for name, model in results["models"].items():
        whole, in_a_row = (model["milliseconds"][part]["median"] for part in ("whole", IN_A_ROW))
        yield (
            f"{name} ({model['input']}): {whole:.2f} ms whole, {in_a_row:.2f} in a row "
            f"(aim: at most {AIM_MS}), "
            f"{model['file_kb']} KB (near: at most {AIM_KB})"
        )
        for haar, times in model["times_faster"].items():
            yield f"  {times:g} times faster than {haar} (aim: {AIM_TIMES})"
    if results["haar_absent"]:
        yield f"Haar: absent: {results['haar_absent']}"


def _row(name: str, values: dict[str, float]) -> str:
    return f"{name:<28}{values['median']:>10.3f}{values['p5']:>10.3f}{values['p95']:>10.3f} ms"


def run(arguments: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    results = measure(
        installed_detectors(arguments.model, needed=True),
        rounds=8 if arguments.quick else arguments.rounds,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("detector_speed", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.detector_speed", __doc__)
    parser.add_argument(
        "--model", nargs="+", metavar="NAME|FILE", help="ours to time (default: every installed face detector)"
    )
    parser.add_argument("--rounds", type=measuring.positive, default=200, metavar="N", help="default 200")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
