from __future__ import annotations

import numpy as np
import pytest

from edge.config import Config
from edge.config_sections import FaceConfig, SmoothingConfig
from edge.observation import UNSURE, Frame, Observation
from edge.pipeline.camera import CameraLoop
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
