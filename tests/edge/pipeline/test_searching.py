"""The whole face path on scenes that rest, move and change: when it searches, and how soon it sees."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pytest

from edge.config import Config
from edge.config_sections import FaceConfig
from edge.observation import Frame, Image, Observation
from edge.pipeline.faces import FacePipeline
from edge.sources.demo import DemoSource
from tests.edge.pipeline.scenes import in_light, with_noise

pytestmark = pytest.mark.usefixtures("models_folder")

FPS = 15
WITH_FACE, WITHOUT_FACE = 0, round(17.5 * FPS)
"""Frames of the demonstration."""


@pytest.fixture(scope="module")
def source() -> DemoSource:
    return DemoSource(width=640, height=480, fps=FPS, paced=False)


@pytest.fixture(scope="module")
def portrait(source: DemoSource) -> Image:
    return source._draw(WITH_FACE)


@pytest.fixture(scope="module")
def empty(source: DemoSource) -> Image:
    return source._draw(WITHOUT_FACE)


def pipeline(*, every: int = 1, interval: float = 0.25, confirm: int = 1) -> FacePipeline:
    return FacePipeline.from_config(Config(face=FaceConfig(every=every, interval=interval, confirm=confirm)))


def run(
    face_path: FacePipeline, images: Iterable[Image], *, fps: float = FPS, start: float = 0.0
) -> tuple[list[int], list[list[Observation]]]:
    """The frames that were searched, and what each frame showed."""
    searched, seen = [], []
    for index, image in enumerate(images):
        before = face_path.searches
        seen.append(face_path(Frame(image, index, 0.0, start + index / fps, "test")))
        if face_path.searches > before:
            searched.append(index)
    return searched, seen


def noisy(image: Image, frames: int, sigma: float = 3.0, *, start: int = 0) -> list[Image]:
    return [with_noise(image, sigma, index) for index in range(start, start + frames)]


@pytest.mark.parametrize("sigma", [0.0, 3.0, 8.0])
@pytest.mark.parametrize("fps", [10, 15, 30])
def test_a_still_scene_costs_a_search_an_interval(empty: Image, fps: int, sigma: float) -> None:
    searched, _ = run(pipeline(), noisy(empty, 4 * fps, sigma), fps=fps)
    gaps = {later - earlier for earlier, later in pairwise(searched)}
    assert gaps == {int(0.25 * fps)}


def test_a_still_face_costs_no_more_and_stays_in_its_place(portrait: Image) -> None:
    face_path = pipeline(confirm=2)
    searched, seen = run(face_path, noisy(portrait, 60))
    assert searched[:2] == [0, 1]
    assert {later - earlier for earlier, later in pairwise(searched[1:])} == {3}
    assert all(len(observations) == 1 for observations in seen[1:])
    for index in set(range(2, 60)) - set(searched):
        assert seen[index][0].box == seen[index - 1][0].box
    assert (face_path.frames, face_path.searches) == (60, len(searched))


def test_a_face_that_enters_is_searched_for_and_found_in_that_frame(portrait: Image, empty: Image) -> None:
    for when in range(45, 48):
        searched, seen = run(pipeline(), noisy(empty, when) + noisy(portrait, 1, start=when))
        assert searched[-1] == when
        assert [len(observations) for observations in seen] == when * [0] + [1]


def test_a_face_that_fades_in_is_found_within_three_tenths_of_a_second(portrait: Image, empty: Image) -> None:
    fps, frames = 30, 240
    fading = [
        np.rint(empty + (portrait.astype(np.float32) - empty) * (index / frames)).astype(np.uint8)
        for index in range(frames)
    ]
    _, soonest = run(pipeline(interval=0.0), fading, fps=fps)
    searched, seen = run(pipeline(confirm=2), fading, fps=fps)
    # From here on the detector finds it in every frame.
    clear = 1 + max(index for index in range(frames) if not soonest[index])
    assert next(index for index in range(frames) if seen[index]) - clear <= 0.3 * fps
    assert len(searched) < frames / 2


@pytest.mark.parametrize("sigma", [0.0, 3.0])
def test_automatic_exposure_does_not_cost_a_search_a_frame(portrait: Image, sigma: float) -> None:
    gains = np.concatenate([np.full(60, 0.7), np.linspace(0.7, 1.2, 30), np.full(30, 1.2)])
    images = [with_noise(in_light(portrait, gain), sigma, index) for index, gain in enumerate(gains)]
    searched, _ = run(pipeline(), images)
    assert len([index for index in searched if index >= 60]) <= 60 / 3 + 3


@pytest.mark.parametrize(("every", "fps", "most"), [(1, 15, 0.9), (5, 30, 0.4)])
def test_the_demonstrations_moving_face_is_shown_as_if_every_frame_were_searched(
    every: int, fps: int, most: float
) -> None:
    with DemoSource(width=640, height=480, fps=fps, paced=False, frames=5 * fps) as source:
        images = [frame.image for frame in source]
    searched, seen = run(pipeline(every=every), images, fps=fps)
    _, found = run(pipeline(interval=0.0), images, fps=fps)
    assert len(searched) <= most * len(images)
    assert sum(map(bool, seen)) >= 0.95 * sum(map(bool, found))
    overlaps = [
        one[0].box.iou(other[0].box)
        for one, other in zip(seen, found, strict=True)
        if one and other and one[0].box and other[0].box
    ]
    assert np.percentile(overlaps, 5) > 0.7


@pytest.mark.parametrize("every", [1, 5])
def test_motion_everywhere_is_searched_every_so_many_frames(source: DemoSource, every: int) -> None:
    images = [np.roll(source._draw(WITHOUT_FACE), 40 * index, axis=1) for index in range(30)]
    searched, _ = run(pipeline(every=every, interval=10.0), images, fps=30)
    assert searched == list(range(0, 30, every))


def test_a_face_that_is_covered_is_searched_for_at_once(portrait: Image, source: DemoSource) -> None:
    face_path = pipeline(every=100, interval=10.0)
    covered = portrait.copy()
    box = source.face_box(WITH_FACE)
    covered[box.y : box.y + box.height, box.x : box.x + box.width] = 90
    searched, seen = run(face_path, [*noisy(portrait, 60), with_noise(covered, 3.0, 60)])
    assert searched == [0, 60]
    assert seen[59]
    assert not seen[60]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: np.ascontiguousarray(image[:, 40:]), id="another width"),
        pytest.param(lambda image: np.ascontiguousarray(image.transpose(1, 0, 2)), id="turned by 90 degrees"),
    ],
)
def test_frames_of_another_size_are_searched_at_once(portrait: Image, change: Callable[[Image], Image]) -> None:
    searched, _ = run(pipeline(every=100, interval=10.0), [portrait, portrait, change(portrait), change(portrait)])
    assert searched == [0, 2]


def test_grey_frames_among_coloured_ones_are_the_same_scene(portrait: Image) -> None:
    grey = np.ascontiguousarray(portrait[:, :, 1])
    searched, seen = run(pipeline(every=100, interval=10.0), [portrait, portrait, grey, portrait])
    assert searched == [0]
    assert seen[2][0].box == seen[0][0].box


def test_a_time_that_jumps_back_is_searched_at_once_and_is_another_track(portrait: Image) -> None:
    face_path = pipeline(interval=10.0)
    _, before = run(face_path, [portrait, portrait], start=100.0)
    searched, after = run(face_path, [portrait, portrait])
    assert searched == [0]
    assert [observations[0].track for observations in before + after] == [1, 1, 2, 2]


def test_a_still_is_always_searched_and_leaves_nothing(portrait: Image, empty: Image) -> None:
    face_path = pipeline(interval=10.0, every=100)
    for image, faces in ((portrait, 1), (portrait, 1), (empty, 0), (portrait, 1)):
        assert len(face_path.still(Frame(image, 0, 0.0, 0.0, "test"))) == faces
    assert (face_path.frames, face_path.searches) == (4, 4)
    run(face_path, [empty])
    assert face_path.searches == 5


def test_after_a_reset_the_next_frame_is_searched(portrait: Image) -> None:
    face_path = pipeline(interval=10.0)
    run(face_path, [portrait, portrait])
    face_path.reset()
    assert run(face_path, [portrait])[0] == [0]


def test_two_thousand_frames_leave_nothing_behind(source: DemoSource) -> None:
    images = [with_noise(source._draw(index), 3.0, index) for index in range(0, 300, 6)]
    face_path = pipeline(confirm=2)
    blocks, searches = [], []
    for part in range(5):
        run(face_path, (images[index % 50] for index in range(400)), start=part * 400 / FPS)
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        searches.append(face_path.searches)
    # Tracks come and go; one object kept of each frame would be 400.
    assert blocks[-1] - blocks[0] < 200
    work = np.diff(searches)
    assert work.max() - work.min() <= 4
