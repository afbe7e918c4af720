"""What recognition costs as it grows: faces, cameras, resolution, hours of sound, the journal; and where the knee is.

  faces        FacePipeline on a picture of 1 to 20 portraits
  cameras      1 to 4 loops in threads of one process
  resolution   FacePipeline on frames from 160x120 to 3840x2880
  sound        SpeechPipeline on the next half second, after so many hours
  journal      inserting, reading, summing up and erasing, in a journal of so many observations

All sizes of an axis take turns in one process, on one thread (cameras: one each); what is told is the median: of
processor time, which other work on the machine disturbs less, and of the clock for cameras.

The elasticity between two sizes is by how many percent the cost grows where the size grows by one percent: 0 is flat, 1
in proportion. The knee is the first size from which on it is at least 0.5 everywhere: below it a larger size is nearly
free, above it has to be paid for. With a cost of a + b * size that is the size a / b, where what grows costs as much as
what is always there.

examples:
  python -m benchmarks.scaling
  python -m benchmarks.scaling --axis faces journal --json
  python -m benchmarks.scaling --plot docs/scaling --write docs/scaling.md
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.scaling_axes import Axis, Call, cameras, faces, journal, resolution, sound
from edge.errors import DataError, MissingDependencyError
from edge.whole_file import write_whole

STEEP = 0.5
"""The least elasticity of what has to be paid for."""

AXES: dict[str, Callable[[bool, Path], Axis]] = {
    "faces": lambda quick, folder: faces(quick),
    "cameras": lambda quick, folder: cameras(quick),
    "resolution": lambda quick, folder: resolution(quick),
    "sound": lambda quick, folder: sound(quick),
    "journal": journal,
}

Curve = list[dict[str, float]]
"""By size, the least first: 'size' and 'median', 'p5', 'p95' in milliseconds."""


def measure(names: Sequence[str], *, quick: bool, rounds: int, progress: bool) -> measuring.Results:
    """Measure the axes one after the other, the sizes of each in turn."""
    from tqdm import tqdm

    warmup = 1 if quick else max(2, rounds // 10)
    found = {}
    with tqdm(total=len(names) * (rounds + warmup), unit="round", disable=not progress) as bar:
        for name in names:
            with tempfile.TemporaryDirectory(prefix="affect-edge-") as folder:
                axis = AXES[name](quick, Path(folder))
                try:
                    found[name] = _measured(axis, rounds, warmup, bar.update)
                finally:
                    axis.close()
    return {"protocol": {"rounds": rounds, "warmup": warmup, "steep": STEEP, "threads": 1}, "axes": found}


def _measured(axis: Axis, rounds: int, warmup: int, advance: Callable[[], object]) -> measuring.Results:
    calls = {f"{curve} {size}": call for curve, sizes in axis.calls.items() for size, call in sizes.items()}
    seconds = _interleaved(calls, axis.clock, rounds=rounds, warmup=warmup, advance=advance)
    curves = {
        curve: [{"size": size, **measuring.spread(seconds[f"{curve} {size}"], 1e3, 4)} for size in sizes]
        for curve, sizes in axis.calls.items()
    }
    return {
        "grows": axis.grows,
        "costs": axis.costs,
        "every": axis.every,
        "curves": curves,
        "knees": {curve: knee(points) for curve, points in curves.items()},
    }


def _interleaved(
    calls: Mapping[str, Call], clock: Callable[[], float], *, rounds: int, warmup: int, advance: Callable[[], object]
) -> dict[str, list[float]]:
    """As `measuring.interleaved`, by another clock."""
    shuffler = random.Random(0)
    order = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in order}
    for turn in range(-warmup, rounds):
        shuffler.shuffle(order)
        for name in order:
            began = clock()
            calls[name](abs(turn))
            ended = clock()
            if turn >= 0:
                seconds[name].append(ended - began)
        advance()
    return seconds


def elasticities(points: Curve) -> list[float]:
    """From each size to the next: percent of cost for a percent of size."""
    sizes, costs = ([math.log(point[name]) for point in points] for name in ("size", "median"))
    return (np.diff(costs) / np.diff(sizes)).round(3).tolist()  # type: ignore[no-any-return]


def knee(points: Curve) -> float | None:
    """The first size from which on every elasticity is at least `STEEP`; None if the last one is less."""
    found = None
    for point, elasticity in zip(reversed(points[:-1]), reversed(elasticities(points)), strict=True):
        if elasticity < STEEP:
            break
        found = point["size"]
    return found


def knee_words(points: Curve, at: float | None) -> str:
    """The knee for people."""
    if at is None:
        return f"no knee up to {points[-1]['size']:g}"
    return "no knee: in proportion from the first size on" if at == points[0]["size"] else f"knee at {at:g}"


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol = results["protocol"]
    yield f"medians of {protocol['rounds']} rounds in turn after {protocol['warmup']} to warm up"
    for name, axis in results["axes"].items():
        yield ""
        yield f"{name}: {axis['costs']}"
        curves: dict[str, Curve] = axis["curves"]
        width = max(len(curve) for curve in curves) + 3
        yield f"{axis['grows'][:26]:<28}" + "".join(f"{curve:>{width}}" for curve in curves) + f"   {axis['every']}"
        for row in zip(*curves.values(), strict=True):
            yield f"{row[0]['size']:<28g}" + "".join(f"{point['median']:>{width}.3f}" for point in row)
        for curve, points in curves.items():
            steps = " ".join(f"{value:.2f}" for value in elasticities(points))
            yield f"{curve}: {knee_words(points, axis['knees'][curve])}; elasticity {steps}"


def draw(results: measuring.Results, folder: Path) -> None:
    """One picture for each axis, FOLDER/NAME.png; both scales are logarithmic, the knee is marked.

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    DataError
        It cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib", "demo", "--plot") from None
    for name, axis in results["axes"].items():
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        for curve, points in axis["curves"].items():
            sizes, medians = ([point[key] for point in points] for key in ("size", "median"))
            (line,) = axes.loglog(sizes, medians, marker="o", markersize=3, label=curve)
            axes.fill_between(sizes, [p["p5"] for p in points], [p["p95"] for p in points], alpha=0.15)
            at = axis["knees"][curve]
            if at is not None and at != sizes[0]:
                axes.plot([at], [medians[sizes.index(at)]], marker="D", markersize=8, color=line.get_color())
        axes.set_xlabel(axis["grows"])
        axes.set_ylabel(axis["every"])
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize="small")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(folder / f"{name}.png", dpi=80, metadata={"Software": None})
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror}; --plot names a folder") from None


def page(results: measuring.Results, environment: measuring.Results, pictures: str | None) -> str:
    """The figures as Markdown; `pictures` is the folder of the plots as the page names it."""
    parts = [
        "# Scaling",
        "Written by `python -m benchmarks.scaling --plot docs/scaling --write docs/scaling.md`; its `--help` tells "
        "what is measured, and what the knee is. A diamond marks it; the bands hold 90 % of the rounds.",
        f"```\n{measuring.environment_lines(environment)}\n```",
    ]
    for name, axis in results["axes"].items():
        curves: dict[str, Curve] = axis["curves"]
        rows = [f"| {axis['grows']} | {' | '.join(curves)} |", f"|{'--:|' * (1 + len(curves))}"]
        rows += [
            f"| {points[0]['size']:g} | {' | '.join(format(point['median'], '.3f') for point in points)} |"
            for points in zip(*curves.values(), strict=True)
        ]
        knees = [f"- {curve}: {knee_words(points, axis['knees'][curve])}." for curve, points in curves.items()]
        parts += [f"## {name.capitalize()}", f"{axis['costs']}. In {axis['every']}."]
        parts += [f"![{name}]({pictures}/{name}.png)"] if pictures else []
        parts += ["\n".join(rows), "\n".join(knees)]
    return "\n\n".join(parts) + "\n"


def run(arguments: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    results = measure(
        list(dict.fromkeys(arguments.axis)),
        quick=arguments.quick,
        rounds=3 if arguments.quick else arguments.rounds,
        progress=measuring.show_progress(arguments),
    )
    if arguments.plot:
        draw(results, arguments.plot)
    if arguments.write:
        pictures = arguments.plot.name if arguments.plot else None
        try:
            write_whole(arguments.write, page(results, measuring.environment(), pictures))
        except OSError as error:
            raise DataError(f"{arguments.write}: cannot be written: {error.strerror}; --write names the file") from None
    measuring.report("scaling", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.scaling", __doc__)
    parser.add_argument("--axis", nargs="+", choices=list(AXES), default=list(AXES), help="default: all")
    parser.add_argument("--rounds", type=measuring.positive, default=40, metavar="N", help="default 40")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="also draw each axis as PNG (needs matplotlib)")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="also write a page; the plots lie beside it")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
