"""What was measured of the ways to cut a face: as JSON, as tables, and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.features.cells import LANDMARKS
from edge.observation import Face
from training.datasets.mounted_faces import Place
from training.evaluation.crop_geometry import (
    KNOWN_PLACE,
    READY_MADE,
    Answers,
    Bools,
    Difference,
    LandmarkPlaces,
    Score,
    compare_paired,
)
from training.evaluation.crop_stability import StabilityRow
from training.evaluation.crop_ways import MARGINS, OFFSETS, SCALES, Way, Ways


@dataclass(frozen=True)
class FoundRates:
    """How many of the mounted faces the detector found."""

    faces: int
    found: int
    upright: float
    """Part of the faces that were not turned."""
    turned: float
    """Part of the others."""

    @classmethod
    def of(cls, places: Sequence[Place], found: Sequence[Face | None]) -> FoundRates:
        is_found = np.array([face is not None for face in found], bool)
        is_turned = np.array([place.angle != 0 for place in places], bool)
        rates = [float(is_found[kind].mean()) if kind.any() else 0.0 for kind in (~is_turned, is_turned)]
        return cls(len(found), int(is_found.sum()), *rates)

    def as_dict(self) -> dict[str, Any]:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class CropReport:
    """All of one measurement."""

    source: str
    """Of the labelled faces."""
    backdrops: int
    """Photographs that they were mounted in."""
    model: str
    detector: str
    seed: int
    rates: FoundRates
    landmarks: LandmarkPlaces
    ways: Ways
    answers: Answers
    is_turned: Bools
    """(found,) which of the found faces were mounted turned."""
    stability: Sequence[StabilityRow]
    """Empty where it was not measured."""

    @property
    def best(self) -> Way:
        """The best of the grid of landmark cuts."""
        return self._best(sum(self.ways.grid, ()))

    @property
    def best_box(self) -> Way:
        return self._best(self.ways.boxes)

    def _best(self, ways: Sequence[Way]) -> Way:
        name = self.answers.best([way.name for way in ways])
        return next(way for way in ways if way.name == name)

    def grid(self) -> list[list[Score]]:
        """By scale and offset, in the order of `SCALES` and `OFFSETS`."""
        return [[self.answers.score(way.name) for way in row] for row in self.ways.grid]

    def differences(self) -> dict[str, Difference]:
        """In accuracy, by what is compared with what."""
        right, ways = self.answers.right, self.ways
        best = right[self.best.name]
        apart = [
            self.answers.choose_apart([way.name for way in those]) for those in (sum(self.ways.grid, ()), ways.boxes)
        ]
        pairs = {
            "best - box as detected": (best, right[ways.box.name]),
            "best - best box": (best, right[self.best_box.name]),
            "the same, each chosen on the other half": (apart[0], apart[1]),
            "best - estimate": (best, right[ways.estimate.name]),
            "best - as installed": (best, right[ways.installed.name]),
            "estimate - box as detected": (right[ways.estimate.name], right[ways.box.name]),
            "estimate - estimate, not turned": (right[ways.estimate.name], right[ways.without_turning.name]),
        }
        return {name: compare_paired(ours, theirs, seed=self.seed) for name, (ours, theirs) in pairs.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "source": self.source,
            "backdrops": self.backdrops,
            "model": self.model,
            "detector": self.detector,
            "seed": self.seed,
            "found": self.rates.as_dict(),
            "landmarks": self.landmarks.as_dict(),
            "limits": {name: self.answers.score(name).as_dict() for name in (READY_MADE, KNOWN_PLACE)},
            "ways": [{**way.as_dict(), **self.answers.score(way.name).as_dict()} for way in self.ways.all()],
            "best": self.best.as_dict(),
            "differences": {name: difference.as_dict() for name, difference in self.differences().items()},
            "stability": [row.as_dict() for row in self.stability],
        }

    def as_text(self) -> str:
        """What is printed for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        rates = self.rates
        yield (
            f"{rates.faces:,} faces of {self.source}, mounted in {self.backdrops} photographs; {self.detector} finds "
            f"{rates.found:,}: {rates.upright:.1%} of the upright, {rates.turned:.1%} of the turned"
        )
        yield ""
        yield from self._landmark_lines()
        yield ""
        yield from self._accuracy_lines()
        yield ""
        yield "by landmarks: scale of the face in its crop (rows), by which part of the side it lies lower (columns)"
        offsets = "".join(f"{offset:>+8.2f}" for offset in OFFSETS)
        yield f"{'accuracy':<8}{offsets}    {'NLL':<8}{offsets}"
        for scale, row in zip(SCALES, self.grid(), strict=True):
            accuracies, losses = (
                "".join(f"{value:>8.4f}" for value in values)
                for values in ([score.accuracy for score in row], [score.nll for score in row])
            )
            yield f"{scale:<8.1f}{accuracies}    {'':<8}{losses}"
        yield ""
        yield "differences in accuracy on the same faces ('best': the best of the grid)"
        for name, difference in self.differences().items():
            yield f"  {name:<42}{difference}"
        if self.stability:
            yield ""
            yield from self._stability_lines()

    def _landmark_lines(self) -> Iterator[str]:
        low, median, high = self.landmarks.quartiles
        count = len(self.landmarks.points)
        yield f"landmarks of {count} upright faces in their crops, parts of the side: median (middle half)"
        for index, name in enumerate(LANDMARKS):
            cells = [
                f"{axis} {median[index, column]:.3f} ({low[index, column]:.3f} to {high[index, column]:.3f})"
                for column, axis in enumerate("xy")
            ]
            yield f"  {name.replace('_', ' '):<13}{'   '.join(cells)}"
        geometry = self.landmarks.geometry
        yield (
            f"  estimate: eye_distance {geometry.eye_distance:.3f}, eyes_y {geometry.eyes_y:.3f}, "
            f"mouth_y {geometry.mouth_y:.3f}"
        )

    def _accuracy_lines(self) -> Iterator[str]:
        title = f"accuracy of {self.model} on the found faces"
        yield f"{title:<46}{'all':>8}{'upright':>9}{'turned':>8}{'NLL':>8}"
        ways = self.ways
        shown = [ways.installed, ways.estimate, self.best, ways.without_turning, *ways.boxes]
        notes = {ways.estimate.name: "  <- estimate", self.best.name: "  <- best"}
        for name in dict.fromkeys([READY_MADE, KNOWN_PLACE, *(way.name for way in shown)]):
            right = self.answers.right[name]
            parts = [right, right[~self.is_turned], right[self.is_turned]]
            total, upright, turned = (float(part.mean()) if len(part) else float("nan") for part in parts)
            nll = self.answers.score(name).nll
            yield f"{name:<46}{total:>8.4f}{upright:>9.4f}{turned:>8.4f}{nll:>8.4f}{notes.get(name, '')}"

    def _stability_lines(self) -> Iterator[str]:
        names = list(next((row.agreement for row in self.stability if row.agreement), {}))
        yield "labels that stay when the photograph is changed, of the pairs whose face was found in both"
        for number, name in enumerate(names, start=1):
            yield f"  ({number}) {name}"
        yield f"{'':<24}{'found':>14}" + "".join(f"{f'({number})':>9}" for number in range(1, len(names) + 1))
        for row in self.stability:
            cells = "".join(f"{row.agreement[name]:>9.1%}" if row.agreement else f"{'-':>9}" for name in names)
            yield f"{row.name:<24}{f'{row.found} of {row.pairs}':>14}{cells}"

    def draw(self, path: Path) -> None:
        """Accuracy over scale and offset, the box cuts and the limits beside it, as PNG."""
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        from training.evaluation.plots import BLUE, GREY, INK, RED, STYLE

        grid = np.array([[score.accuracy for score in row] for row in self.grid()])
        with rc_context(STYLE):
            figure = Figure(figsize=(10.0, 4.6), layout="constrained")
            title = f"Accuracy of {self.model} on {self.rates.found:,} faces found by {self.detector}"
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
            left, right = figure.subplots(1, 2)
            left.imshow(grid, cmap="Blues", origin="lower", aspect="auto")
            left.grid(visible=False)
            left.set_xticks(range(len(OFFSETS)), [f"{offset:+.2f}" for offset in OFFSETS])
            left.set_yticks(range(len(SCALES)), [f"{scale:.1f}" for scale in SCALES])
            left.set(title="cut by landmarks", xlabel="face lower by, parts of the side", ylabel="scale of the face")
            middle = (grid.max() + grid.min()) / 2
            for row, column in np.ndindex(grid.shape):
                colour = "white" if grid[row, column] > middle else INK
                left.text(column, row, f"{grid[row, column]:.3f}", ha="center", va="center", color=colour)
            boxes = [self.answers.score(way.name).accuracy for way in self.ways.boxes]
            right.plot(MARGINS, boxes, "o-", color=RED, label="box")
            levels = ((self.best.name, BLUE, "-"), (KNOWN_PLACE, GREY, "--"), (READY_MADE, INK, ":"))
            for name, colour, line in levels:
                right.axhline(self.answers.score(name).accuracy, color=colour, linestyle=line, label=name)
            right.set(title="cut by the box", xlabel="margin", ylabel="accuracy")
            figure.legend(loc="outside lower right", ncols=4)
            figure.savefig(path)
