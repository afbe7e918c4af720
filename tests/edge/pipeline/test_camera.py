from __future__ import annotations

import pytest

from edge.observation import Frame, Observation
from edge.pipeline.camera import CameraLoop
from edge.pipeline.faces import FacePipeline
from edge.sources.demo import DemoSource


class Noting(FacePipeline):
    """Notes which frames it is shown, and sees nothing."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, frame: Frame) -> list[Observation]:
        self.seen.append(frame.index)
        return []


def demonstration(frames: int) -> DemoSource:
    return DemoSource(width=64, height=48, fps=15, paced=False, frames=frames)


@pytest.mark.parametrize(
    ("every", "seen"), [(1, list(range(10))), (2, [0, 2, 4, 6, 8]), (4, [0, 4, 8]), (8, [0, 8]), (64, [0])]
)
def test_looks_at_one_frame_of_so_many_and_counts_the_others(every: int, seen: list[int]) -> None:
    pipeline = Noting()
    ticks: list[None] = []
    loop = CameraLoop(demonstration(10), pipeline, [], after_frame=lambda: ticks.append(None))
    loop.every = every
    figures = loop.run()
    assert pipeline.seen == seen
    assert (figures.frames, figures.skipped, figures.dropped) == (len(seen), 10 - len(seen), 0)
    assert len(ticks) == 10


def test_the_pace_changes_while_it_runs() -> None:
    pipeline = Noting()

    def change() -> None:
        done = loop.figures.frames + loop.figures.skipped
        loop.every = {4: 4, 12: 1}.get(done, loop.every)

    loop = CameraLoop(demonstration(16), pipeline, [], after_frame=change)
    loop.run()
    assert pipeline.seen == [0, 1, 2, 3, 7, 11, 12, 13, 14, 15]
