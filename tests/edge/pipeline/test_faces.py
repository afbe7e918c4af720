from __future__ import annotations

import numpy as np
import pytest

from edge.config import Config, FaceConfig, JournalConfig, SmoothingConfig
from edge.observation import UNSURE, Frame, Observation
from edge.pipeline.camera import CameraLoop, Thinned
from edge.pipeline.faces import FacePipeline
from edge.sources.demo import DemoSource


def demonstration(frames: int) -> DemoSource:
    return DemoSource(width=640, height=480, fps=15, paced=False, frames=frames)


@pytest.mark.usefixtures("models_folder")
def test_the_demonstrations_face_is_one_track() -> None:
    pipeline = FacePipeline.from_config(Config(smoothing=SmoothingConfig(unsure_below=0.0)))
    with demonstration(45) as source:
        seen = [observation for frame in source for observation in pipeline(frame)]
    assert len(seen) >= 40
    assert {observation.track for observation in seen} == {1}
    assert seen[0].changed
    for observation in seen:
        assert observation.label == max(observation.probabilities, key=lambda label: observation.probabilities[label])
        assert sum(observation.probabilities.values()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.usefixtures("models_folder")
def test_a_threshold_of_one_is_always_unsure() -> None:
    pipeline = FacePipeline.from_config(Config(smoothing=SmoothingConfig(unsure_below=1.0)))
    with demonstration(5) as source:
        labels = {observation.label for frame in source for observation in pipeline(frame)}
    assert labels == {UNSURE}


@pytest.mark.usefixtures("models_folder")
@pytest.mark.parametrize(("confirm", "every", "first"), [(1, 1, 0), (2, 1, 1), (5, 1, 4), (2, 3, 1)])
def test_a_face_is_believed_when_it_was_found_often_enough(confirm: int, every: int, first: int) -> None:
    pipeline = FacePipeline.from_config(Config(face=FaceConfig(confirm=confirm, every=every)))
    with demonstration(8) as source:
        seen = [bool(pipeline(frame)) for frame in source]
    assert seen.index(True) == first
    assert all(seen[first:])


@pytest.mark.usefixtures("models_folder")
def test_a_picture_by_itself_needs_no_second_look_and_remembers_nothing() -> None:
    pipeline = FacePipeline.from_config(Config(face=FaceConfig(confirm=5)))
    with demonstration(3) as source:
        stills = [pipeline.still(frame) for frame in source]
    assert [[observation.track for observation in still] for still in stills] == [[1], [1], [1]]


@pytest.mark.usefixtures("models_folder")
@pytest.mark.parametrize("shape", [(1, 1), (48, 64, 3), (2160, 3840, 3)])
def test_frames_of_any_size_without_a_face(shape: tuple[int, ...]) -> None:
    pipeline = FacePipeline.from_config(Config())
    assert pipeline(Frame(np.zeros(shape, np.uint8), 0, 0.0, 0.0, "black")) == []


@pytest.mark.usefixtures("models_folder")
def test_the_loop_gives_every_observation_to_every_sink_and_counts() -> None:
    first: list[Observation] = []
    second: list[Observation] = []
    ticks: list[None] = []
    loop = CameraLoop(
        demonstration(20),
        FacePipeline.from_config(Config()),
        [first.append, second.append],
        after_frame=lambda: ticks.append(None),
    )
    figures = loop.run()
    assert figures.frames == len(ticks) == 20
    assert figures.faces == len(first) == len(second) > 10
    assert figures.dropped == 0


@pytest.mark.usefixtures("models_folder")
def test_a_loop_that_is_stopped_ends() -> None:
    loop = CameraLoop(demonstration(10_000), FacePipeline.from_config(Config()), [lambda _: loop.stop()])
    assert loop.run().frames <= 3


def observation(time: float, *, track: int = 1, changed: bool = False) -> Observation:
    return Observation("face", "test", time, time, "happy", 0.9, {"happy": 0.9, "sad": 0.1}, track, changed=changed)


def test_thinning_passes_changes_and_one_an_interval() -> None:
    passed: list[Observation] = []
    sink = Thinned(passed.append, interval=1.0)
    for step in range(31):
        sink(observation(step / 10, changed=step == 5))
    assert [round(each.monotonic_time, 1) for each in passed] == [0.0, 0.5, 1.5, 2.5]


def test_thinning_treats_tracks_apart_and_forgets_those_that_ended() -> None:
    passed: list[Observation] = []
    sink = Thinned(passed.append, interval=JournalConfig().interval)
    for track in range(1000):
        sink(observation(track * 1.0, track=track))
    assert len(passed) == 1000
    assert len(sink._passed) < 20
