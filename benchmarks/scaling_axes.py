"""What grows, and what is measured at each size of it: the axes of `benchmarks.scaling`."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.camera_loop import FPS, Loop, moving_frames
from benchmarks.face_scenes import scenes
from benchmarks.speech_parts import Listener
from edge.bench.sounds import synthesised
from edge.config import Config
from edge.errors import ModelError
from edge.journal import Journal
from edge.journal_query import JournalReader, Selection
from edge.journal_upkeep import erase
from edge.observation import Box, Image, Observation
from edge.pipeline.faces import FacePipeline
from edge.pipeline.speech import SpeechPipeline
from edge.sources.base import file_frame
from edge.sources.demo import DemoSource

Call = Callable[[int], object]

RATE = 16000
"""Of the sound that is listened to, Hertz."""

BATCH = 100
"""Observations that are inserted, read or erased at once."""

SEARCHED, FOLLOWED = "searched in every frame", "followed between searches"
"""With face.interval = 0, and as shipped: the median is then a frame between two searches."""

_FRAMES = 8
_LABELS = ("happy", "neutral", "sad")


@dataclass(frozen=True)
class Axis:
    """Something that grows."""

    name: str
    """Also of its picture's file."""
    grows: str
    """What the sizes count."""
    costs: str
    """What one call does, in a sentence."""
    calls: Mapping[str, Mapping[float, Call]]
    """By curve, and by size."""
    every: str
    """What the cost is of, for the label: 'ms of the clock'."""
    clock: Callable[[], float]
    """Seconds: of the processor, for all threads, where one of them works; other work on the machine is not in it."""
    close: Callable[[], None] = lambda: None
    """Once it was measured."""


def faces(quick: bool) -> Axis:
    """One picture of 640x480 with so many portraits."""
    counts = (1, 4, 20) if quick else (1, 2, 3, 4, 6, 8, 12, 16, 20)
    crowd = next(scene for scene in scenes() if scene.name == "20 faces")
    # The detector for near faces does not look for twenty of them.
    config = _with_face(max_faces=max(counts), model="face_far")
    calls: dict[str, dict[float, Call]] = {SEARCHED: {}, FOLLOWED: {}}
    for count in counts:
        image = _only(crowd.image, crowd.faces[:count])
        calls[SEARCHED][count] = _still_loop(image, config, 0.0, faces=count)
        calls[FOLLOWED][count] = _still_loop(image, config, None, faces=count)
    what = "FacePipeline with face_far on a 640x480 picture of so many portraits at rest, all of which are read"
    return Axis("faces", "faces in the picture", what, calls, "ms of processor time a frame", time.process_time)


def cameras(quick: bool) -> Axis:
    """So many loops at once, in threads of one process."""
    counts = (1, 2) if quick else (1, 2, 3, 4)
    images = moving_frames(30)

    def call(count: int) -> Call:
        loops = [Loop(FacePipeline.from_config(Config()), images) for _ in range(count)]

        def work(loop: Loop) -> None:
            for _ in range(_FRAMES):
                loop.step(0)

        def run(turn: int) -> None:
            del turn
            threads = [threading.Thread(target=work, args=(loop,)) for loop in loops]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return run

    what = f"So many loops in threads of one process, {_FRAMES} frames of the demonstration each, as fast as they can"
    calls: dict[str, dict[float, Call]] = {"all loops": {count: call(count) for count in counts}}
    every = f"ms of the clock for {_FRAMES} frames each"
    return Axis("cameras", "cameras", what, calls, every, time.perf_counter)


def resolution(quick: bool) -> Axis:
    """The demonstration's frame at another size."""
    widths = (160, 640, 1920) if quick else (160, 320, 640, 960, 1280, 1920, 2560, 3840)
    calls: dict[str, dict[float, Call]] = {SEARCHED: {}, FOLLOWED: {}}
    for width in widths:
        height = width * 3 // 4
        source = DemoSource(paced=False, width=width, height=height, frames=1)
        frame = source.read()
        assert frame is not None
        size = width * height / 1e6
        calls[SEARCHED][size] = _still_loop(frame.image, Config(), 0.0, faces=1)
        calls[FOLLOWED][size] = _still_loop(frame.image, Config(), None, faces=1)
    what = "FacePipeline on one face at rest, frames from 160x120 to 3840x2880"
    return Axis("resolution", "million pixels", what, calls, "ms of processor time a frame", time.process_time)


def sound(quick: bool) -> Axis:
    """A pipeline that has listened for so long already."""
    hours = (0.01, 0.02, 0.04) if quick else (0.125, 0.25, 0.5, 1, 2)
    heard = synthesised(60, RATE)

    def next_hop(before: float) -> Call:
        pipeline = SpeechPipeline.from_config(Config())
        listener = Listener(pipeline, heard, RATE, lead_in=round(before * 3600 / pipeline.step_seconds))
        return lambda turn: listener.step(listener.blocks())

    what = "SpeechPipeline on the next half second of a voice, after so many hours of it"
    calls = {"a hop": {each: next_hop(each) for each in hours}}
    return Axis("sound", "hours heard before", what, calls, "ms of processor time a hop", time.process_time)


def journal(quick: bool, folder: Path) -> Axis:
    """A journal of so many observations."""
    sizes = (300, 1000, 3000) if quick else (1000, 3000, 10_000, 30_000, 100_000, 300_000)
    names = (f"insert {BATCH}", f"read the newest {BATCH}", "sum up all", f"erase {BATCH}")
    calls: dict[str, dict[float, Call]] = {name: {} for name in names}
    filled = [_Filled(folder / f"{size}.db", size) for size in sizes]
    for size, each in zip(sizes, filled, strict=True):
        for name, call in zip(names, (each.insert, each.newest, each.sum_up, each.erase), strict=True):
            calls[name][size] = call

    def close() -> None:
        for each in filled:
            each.writer.close()

    what = (
        f"{BATCH} observations are inserted and committed, the newest read, all summed up by the hour, the oldest "
        "erased for good; what a card takes comes on top"
    )
    every = "ms of processor time"
    return Axis("journal", "observations in the journal", what, calls, every, time.process_time, close)


class _Filled:
    """A journal of one observation a second; what is inserted goes on so, what is erased is the oldest."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._now, self._wall = time.monotonic(), time.time()
        self._next, self._oldest = -size, -size
        self.writer = Journal(path, max_size_mb=10_000, max_age_days=3650)
        self._add(size)

    def insert(self, turn: int) -> None:
        del turn
        self._add(BATCH)

    def newest(self, turn: int) -> None:
        del turn
        with JournalReader(self._path) as reader:
            assert len(list(reader.records(Selection(), latest=BATCH))) == BATCH

    def sum_up(self, turn: int) -> None:
        del turn
        with JournalReader(self._path) as reader:
            assert reader.summary(Selection())

    def erase(self, turn: int) -> None:
        del turn
        self._oldest += BATCH
        # Between two seconds: the journal tells times by its own clock.
        assert erase(self._path, until=self._wall + self._oldest - 0.5) == BATCH

    def _add(self, count: int) -> None:
        for place in range(self._next, self._next + count):
            self.writer.add(
                Observation(
                    modality="face",
                    source="scaling",
                    wall_time=self._wall + place,
                    monotonic_time=self._now + place,
                    label=_LABELS[place % len(_LABELS)],
                    confidence=0.7,
                    probabilities=dict.fromkeys(_LABELS, 1 / len(_LABELS)),
                    track=1,
                    box=Box(10, 20, 96, 96),
                )
            )
        self._next += count
        self.writer.flush()


def _with_face(**settings: object) -> Config:
    config = Config()
    return config.model_copy(update={"face": config.face.model_copy(update=settings)})


def _only(image: Image, boxes: Sequence[Box]) -> Image:
    """The picture with nothing but its first faces, each in its cell."""
    kept = np.zeros_like(image)
    for box in boxes:
        # A cell is the face and a quarter of it around: what lies between two faces is black.
        margin = box.width // 4
        rows = slice(max(0, box.y - margin), box.y + box.height + margin)
        columns = slice(max(0, box.x - margin), box.x + box.width + margin)
        kept[rows, columns] = image[rows, columns]
    return kept


def _still_loop(image: Image, config: Config, interval: float | None, *, faces: int) -> Call:
    """The face path on a picture with so many faces again and again."""
    if interval is not None:
        config = config.model_copy(update={"face": config.face.model_copy(update={"interval": interval})})
    pipeline = FacePipeline.from_config(config)
    numbers = itertools.count()

    def call(turn: int) -> None:
        del turn
        number = next(numbers)
        found = len(pipeline(file_frame(image, number, number / FPS, "scaling")))
        # The first search confirms none.
        if number and found != faces:
            raise ModelError(f"{config.face.model}: observes {found} of {faces} faces; their cost cannot be told")

    return call
