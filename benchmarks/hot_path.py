"""Where each microsecond of a frame and of a hop of sound goes, and what the loops cost beyond their models.

  frame   640x480, one face that moves; a frame in which it is followed, and one in which faces are searched for
  hop     half a second of a synthesised voice at 48 kHz, as ten blocks of a microphone

The whole and the models' part of it are measured without watching anything else; the parts in a second pipeline beside
it, in turns. The overhead is what the whole takes beyond its model invocations, as a part of these; over all frames
(searches and others as they come) it is told as a sum over a sum. Of a hop, most of it is the features
(resampling, log-mel), without which the models have nothing to read: the rest is told by itself.

examples:
  python -m benchmarks.hot_path
  python -m benchmarks.hot_path --rounds 2000 --json
  python -m benchmarks.hot_path --write docs/hot_path.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.camera_loop import MOVING_FRAMES, moving_frames
from benchmarks.frame_parts import INVOKE, PARTS, FrameWatch
from benchmarks.pages import rewrite
from benchmarks.speech_parts import PARTS as HOP_PARTS
from benchmarks.speech_parts import Watch, parts_of
from edge.bench.sounds import synthesised
from edge.config import Config
from edge.pipeline.faces import FacePipeline
from edge.pipeline.speech import SpeechPipeline

AIM = 0.30
RATE = 48000
SOUND_SECONDS = 20

_FEATURES = ("resample", "log-mel", "normalise")
_MODELS = ("encode", "classify")


def measure(*, rounds: int, progress: bool) -> measuring.Results:
    """Run the pipelines in turns."""
    from tqdm import tqdm

    images = moving_frames(MOVING_FRAMES)
    bare, watched = (FrameWatch(FacePipeline.from_config(Config()), images, parts=parts) for parts in (False, True))
    speech = SpeechPipeline.from_config(Config())
    listener = Watch(speech, synthesised(SOUND_SECONDS, RATE), RATE, lead_in=10)
    warmup = max(10, rounds // 10)
    hear = listener.steps(rounds + warmup)
    with tqdm(total=rounds + warmup, unit="round", disable=not progress) as bar:
        seconds = measuring.interleaved(
            {"bare": bare.step, "watched": watched.step, "hop": hear}, rounds=rounds, warmup=warmup, advance=bar.update
        )
    for loop in (bare, watched):
        loop.spent, loop.searched = loop.spent[-rounds:], loop.searched[-rounds:]
    return {
        "protocol": {"rounds": rounds, "warmup": warmup, "frame": "640x480 BGR", "rate": RATE, "threads": 1},
        "frame": {
            "overhead": _overhead(bare.spent),
            "searched": round(float(np.mean(bare.searched)), 3),
            "kinds": {
                kind: _frame_figures(bare, watched, searched=searched)
                for kind, searched in (("followed", False), ("searched", True))
            },
        },
        "hop": _hop_figures(listener, seconds["hop"]),
    }


def _overhead(spent: list[dict[str, float]]) -> float:
    """What the frames took beyond their models, as a part of what these took."""
    models = sum(frame.get(INVOKE, 0.0) for frame in spent)
    return round(sum(frame["whole"] for frame in spent) / models - 1, 3)


def _frame_figures(bare: FrameWatch, watched: FrameWatch, *, searched: bool) -> measuring.Results:
    """Of the frames in which faces were searched for, or of the others."""

    def of(loop: FrameWatch) -> list[dict[str, float]]:
        return [frame for frame, kind in zip(loop.spent, loop.searched, strict=True) if kind == searched]

    plain, parted = of(bare), of(watched)
    parts = {part: np.array([frame.get(part, 0.0) for frame in parted]) for part in PARTS}
    rest = np.array([frame["whole"] for frame in parted]) - sum(parts.values())
    return {
        "whole": measuring.spread([frame["whole"] for frame in plain], 1e6),
        "models": measuring.spread([frame.get(INVOKE, 0.0) for frame in plain], 1e6),
        "overhead": _overhead(plain),
        "parts": {part: measuring.spread(values, 1e6) for part, values in {**parts, "the rest": rest}.items()},
    }


def _hop_figures(listener: Watch, seconds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> measuring.Results:
    parts = parts_of(listener, seconds)
    models = sum(parts[part] for part in _MODELS)
    features = sum(parts[part] for part in _FEATURES)
    whole = parts["whole"]
    return {
        "overhead": round(float(whole.sum() / np.sum(models)) - 1, 3),
        "overhead_over_models_and_features": round(float(whole.sum() / np.sum(models + features)) - 1, 3),
        "whole": measuring.spread(whole, 1e6),
        "models": measuring.spread(models, 1e6),
        "features": measuring.spread(features, 1e6),
        "parts": {part: measuring.spread(parts[part], 1e6) for part in (*HOP_PARTS, "the rest")},
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    frame, hop, rounds = results["frame"], results["hop"], results["protocol"]["rounds"]
    kinds = frame["kinds"]
    yield f"medians of {rounds} frames and {rounds} hops in turn, microseconds; one thread"
    yield ""
    yield f"{'of a frame':<28}{'followed':>10}{'':>8}{'searched':>10}"
    for part in (*PARTS, "the rest"):
        yield f"{part:<28}" + f"{'':>8}".join(f"{kind['parts'][part]['median']:>10.0f}" for kind in kinds.values())
    for name in ("whole", "models"):
        yield f"{name + ', not watched':<28}" + f"{'':>8}".join(
            f"{kind[name]['median']:>10.0f}" for kind in kinds.values()
        )
    yield f"{'beyond the models':<28}" + f"{'':>8}".join(f"{kind['overhead']:>10.0%}" for kind in kinds.values())
    yield (
        f"of all frames, {frame['searched']:.0%} of them searched: {frame['overhead']:.0%} beyond the models; "
        f"aim {AIM:.0%}"
    )
    yield ""
    yield f"{'of a hop':<28}"
    for part in (*HOP_PARTS, "the rest"):
        yield f"{part:<28}{hop['parts'][part]['median']:>10.0f}"
    yield f"{'whole':<28}{hop['whole']['median']:>10.0f}"
    yield (
        f"{hop['overhead']:.0%} beyond the models (encode, classify), "
        f"{hop['overhead_over_models_and_features']:.0%} beyond models and features (resample, log-mel, normalise)"
    )


def run(arguments: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    results = measure(rounds=30 if arguments.quick else arguments.rounds, progress=measuring.show_progress(arguments))
    if arguments.write:
        environment = measuring.environment_lines(measuring.environment())
        rewrite(arguments.write, f"```\n{environment}\n\n{table(results)}\n```")
    measuring.report("hot_path", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.hot_path", __doc__)
    parser.add_argument("--rounds", type=measuring.positive, default=900, metavar="N", help="frames (default 900)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this document")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
