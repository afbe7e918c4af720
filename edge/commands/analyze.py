"""Find the faces in pictures and videos and name their expressions; name the emotion in the speech of sound files.

A picture is judged by itself; in a video a face is followed and its label smoothed, as `affect-edge run` does. Sound is
judged every half second. A folder's pictures and sound files are taken. A file that cannot be read is told on stderr,
the others are still analysed, and the exit code is 1.

examples:
  affect-edge analyze photo.jpg
  affect-edge analyze holiday/ --json > faces.jsonl     a line per picture: source, faces [box, label, probabilities]
  affect-edge analyze talk.mp4                          how long each face showed what
  affect-edge analyze talk.wav                          how long there was speech, and what it sounded like
  affect-edge analyze talk.wav --json                   a line per half second: heard, level, label, probabilities
  affect-edge analyze talk.mp4 photo.jpg --annotate out/   with boxes and labels drawn in
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.config import Config
    from edge.observation import Frame, Observation
    from edge.pipeline.faces import FacePipeline
    from edge.pipeline.speech import SpeechPipeline
    from edge.sources import FrameSource

HELP = "name the expressions in pictures and videos, and the emotion in sound files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="picture, video, sound file, or folder of them")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML); see validate-config")
    parser.add_argument(
        "--model", metavar="NAME", help="for faces: name or .tflite file, in place of the configuration's"
    )
    parser.add_argument("--speech-model", metavar="NAME", help="the same for sound")
    parser.add_argument("--json", action="store_true", help="print a line of JSON per picture, frame or half second")
    parser.add_argument(
        "--frames", action="store_true", help="for videos and sound: print every frame or half second too"
    )
    parser.add_argument(
        "--annotate", type=Path, metavar="DIR", help="write copies with boxes and labels to this folder"
    )


def run(arguments: argparse.Namespace) -> int:
    from edge.config import load_config
    from edge.errors import AffectEdgeError, ModelError

    models = _Models(load_config(arguments.config), arguments)
    if arguments.annotate:
        _make_folder(arguments.annotate)
    failed = 0
    for path in _expanded(arguments.paths):
        try:
            failed += _analyze_path(path, models, arguments)
        except ModelError:  # it would be the same for the other files
            raise
        except AffectEdgeError as error:
            print(f"affect-edge analyze: error: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


class _Models:
    """Each pipeline, loaded when the first file needs it."""

    def __init__(self, config: Config, arguments: argparse.Namespace) -> None:
        update: dict[str, Any] = {}
        if arguments.model:
            update["expression"] = config.expression.model_copy(update={"model": arguments.model})
        if arguments.speech_model:
            update["speech"] = config.speech.model_copy(update={"model": arguments.speech_model})
        self._config = config.model_copy(update=update)

    @cached_property
    def faces(self) -> FacePipeline:
        from edge.pipeline.faces import FacePipeline

        return FacePipeline.from_config(self._config)

    @cached_property
    def speech(self) -> SpeechPipeline:
        from edge.pipeline.speech import SpeechPipeline

        return SpeechPipeline.from_config(self._config)


def _expanded(paths: list[str]) -> Iterator[str]:
    """The paths; behind a folder with pictures its sound files, in place of one with nothing else."""
    from edge.sources.images import IMAGE_SUFFIXES, natural_key
    from edge.sources.sound import is_sound_file

    for path in paths:
        files: list[Path] = []
        if os.path.isdir(path):  # noqa: PTH112
            with contextlib.suppress(OSError):  # told when it is opened
                files = sorted(Path(path).iterdir(), key=natural_key)
        sounds = [str(file) for file in files if is_sound_file(file) and file.is_file()]
        if not sounds or any(file.suffix.lower() in IMAGE_SUFFIXES for file in files):
            yield path
        yield from sounds


def _analyze_path(path: str, models: _Models, arguments: argparse.Namespace) -> int:
    """Analyse what one path names; returns how many of its files could not be read."""
    from edge.commands.analyze_sound import analyze_sound
    from edge.errors import SourceError
    from edge.sources import open_frame_source
    from edge.sources.sound import is_sound_file

    # Not `Path.exists`, which raises where it may not look or the name is too long; so above.
    if not os.path.exists(path):  # noqa: PTH110
        raise SourceError(f"there is no file or folder '{path}'")
    if is_sound_file(path) and Path(path).is_file():
        analyze_sound(path, models.speech, as_json=arguments.json, every=arguments.frames)
        return 0
    with open_frame_source(path) as source:
        return _analyze(source, models.faces, arguments)


def _analyze(source: FrameSource, pipeline: FacePipeline, arguments: argparse.Namespace) -> int:
    """Analyse one source; returns how many of its files could not be read."""
    from tqdm import tqdm

    from edge.sources.images import ImageSource

    stills = isinstance(source, ImageSource)
    pipeline.reset()
    writer = _Writer(arguments.annotate, source) if arguments.annotate else None
    summary = _Summary(source.name)
    quiet = not sys.stderr.isatty() or not sys.stdout.isatty()
    try:
        for frame in tqdm(source, desc=Path(source.name).name, unit="frame", disable=quiet, leave=False):
            observations = pipeline.still(frame) if stills else pipeline(frame)
            summary.add(frame, observations)
            if arguments.json:
                _print_json(frame, observations)
            elif stills or arguments.frames:
                _print_frame(frame, observations, stills=stills)
            if writer is not None:
                writer.write(frame, observations)
    finally:
        if writer is not None:
            writer.close()
    if not stills and not arguments.json:
        summary.print()
    return source.skipped if isinstance(source, ImageSource) else 0


def _print_json(frame: Frame, observations: list[Observation]) -> None:
    import json

    document: dict[str, Any] = {
        "source": frame.source,
        "frame": frame.index,
        "time": round(frame.monotonic_time, 3),
        "width": frame.image.shape[1],
        "height": frame.image.shape[0],
        "faces": [
            {key: entry[key] for key in ("track", "box", "label", "confidence", "probabilities")}
            for entry in (observation.as_dict() for observation in observations)
        ],
    }
    print(json.dumps(document), flush=True)


def _print_frame(frame: Frame, observations: list[Observation], *, stills: bool) -> None:
    where = frame.source if stills else f"{frame.source} {frame.monotonic_time:8.2f} s"
    if not observations:
        print(f"{where}: no face")
    for observation in observations:
        assert observation.box is not None  # the face path gives every observation its box
        x, y, width, height = observation.box.as_list()
        likely = sorted(observation.probabilities.items(), key=lambda item: item[1], reverse=True)[:3]
        detail = ", ".join(f"{label} {probability:.0%}" for label, probability in likely)
        print(f"{where}: face at {x},{y} {width}x{height}: {observation.label} ({detail})")


class _Summary:
    """How long each face of a video showed which label."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._frames = 0
        self._time = 0.0
        self._labels: defaultdict[int | None, Counter[str]] = defaultdict(Counter)

    def add(self, frame: Frame, observations: list[Observation]) -> None:
        self._frames += 1
        self._time = frame.monotonic_time
        for observation in observations:
            self._labels[observation.track][observation.label] += 1

    def print(self) -> None:
        print(f"{self._source}: {self._frames} frames, {self._time:.1f} s, {len(self._labels)} faces")
        for track, labels in sorted(self._labels.items(), key=lambda item: item[0] or 0):
            total = sum(labels.values())
            shares = ", ".join(f"{label} {count / total:.0%}" for label, count in labels.most_common())
            print(f"  face {track}, in {total} frames: {shares}")


class _Writer:
    """Annotated copies in a folder, beside nothing that is there already: NAME-annotated.png or .mp4."""

    def __init__(self, folder: Path, source: FrameSource) -> None:
        from edge.sources.images import ImageSource

        self._folder = folder
        self._stills = isinstance(source, ImageSource)
        self._fps = float(getattr(source, "fps", 0) or 25.0)
        self._video: Any = None

    def write(self, frame: Frame, observations: list[Observation]) -> None:
        import cv2

        from edge.annotate import annotate
        from edge.errors import SourceError

        image = annotate(frame.image, observations)
        path = self._folder / f"{Path(frame.source).stem}-annotated{'.png' if self._stills else '.mp4'}"
        if self._stills:
            _, data = cv2.imencode(".png", image)
            try:
                path.write_bytes(data.tobytes())
            except OSError as error:
                raise SourceError(f"cannot write '{path}': {error.strerror or error}") from None
            return
        if self._video is None:
            height, width = image.shape[:2]
            self._video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, (width, height))
            if not self._video.isOpened():
                raise SourceError(f"cannot write the video '{path}'")
        self._video.write(image)

    def close(self) -> None:
        if self._video is not None:
            self._video.release()


def _make_folder(folder: Path) -> None:
    from edge.errors import SourceError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"cannot make the folder '{folder}' for --annotate: {error.strerror or error}") from None
