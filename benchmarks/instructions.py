"""How many instructions an Arm processor executes for each model, a camera frame, a hop of sound and a sentence.

Nothing is timed: an emulated Cortex-A72 (Raspberry Pi 4) and Cortex-A76 (Raspberry Pi 5, whose dot products XNNPACK
uses) count. One thread, LiteRT's own aarch64 wheel, versions that are pinned; where a program's memory lies, the order
of its sets and its random numbers are the same in each run. So the counts are as well, on any machine and however busy
it is, and a change of the code shows in them.

  a model         the interpreter's own invoke(), its input already set
  frame           FacePipeline on a 640x480 frame of the demonstration, as shipped: searched only now and then
  frame, searched the same, every frame searched (face.interval = 0)
  hop, speech     SpeechPipeline on half a second of a voice at 48 kHz, all through to the smoothed observation
  hop, silence    the same of a quiet room
  sentence        TextRecognizer on a made-up sentence
  ..., without    of each of these, what is left after the models that it ran: Python, NumPy and OpenCV

The expectation, instructions.json, is committed; it exits with 1 where a count is higher than expected by more than the
tolerance, with 3 where other versions are installed than it was recorded with. A count is no time: it tells that
something changed and in what, not how fast a board is.

Debian for arm64 and the wheels (some 300 MB) are fetched when they are not there, which needs root, mmdebstrap and the
network; qemu-user runs it, gcc compiles its counter.

examples:
  sudo python -m benchmarks.instructions
  python -m benchmarks.instructions --cpu cortex-a72 --row frame "hop, speech"
  python -m benchmarks.instructions --source ../other-checkout
  python -m benchmarks.instructions --layouts 4
  python -m benchmarks.instructions --write
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import aarch64_root, instructions_root, measuring
from benchmarks.instructions_root import CHECKOUT, Guest, Mark
from edge.errors import AffectEdgeError, ModelError
from edge.inference.catalog import list_models
from edge.whole_file import write_whole

EXPECTED = Path(__file__).with_name("instructions.json")

PATHS = ("frame", "frame, searched", "hop, speech", "hop, silence", "sentence")
"""As `benchmarks.instructions_child` knows them."""

QUICK = (
    "expression/expression",
    "face-detection/face_near",
    "speech-emotion/speech",
    "speech-encoder/speech",
    "frame",
    "hop, speech",
)
"""What continuous integration counts, on one processor: the paths as shipped, and the models that they run."""

TOLERANCE = 0.01
"""Beyond which a count is another one.

The same code gives the same count, and with the memory laid out otherwise (`--layouts`: other random numbers, another
order of sets) one that differs by less than a thousandth. Any edit moves the memory: what remains is a change of work.
"""

_CHILD = "benchmarks.instructions_child"
_MODEL_CALLS, _PATH_CALLS = 4, 12
_WITHOUT = ", without models"


class NotComparableError(AffectEdgeError):
    """What is installed is not what the expectation was recorded with, or there is none."""

    exit_code = 3


def count(place: Guest, models: Sequence[str], paths: Sequence[str], *, seed: int = 0) -> measuring.Results:
    """The instructions of one call of each, and the versions that they belong to.

    Parameters
    ----------
    place
        An emulated processor.
    models, paths
        The rows.
    seed
        Of the order of sets and of random numbers: another one lays the program's memory out in another way.

    Raises
    ------
    ModelError
        The guest fails, or has more than one thread, which cannot be counted exactly.
    """
    asked = {"models": models, "paths": paths, "model_calls": _MODEL_CALLS, "path_calls": _PATH_CALLS}
    answer, marks = place.count(_CHILD, asked, seed=seed)
    found = _between(answer["rows"], marks)
    return {"versions": answer["versions"], "rows": found, "runs": _runs(answer["rows"])}


def _between(rows: Mapping[str, Mapping[str, Any]], marks: Sequence[Mark]) -> dict[str, int]:
    """Instructions of one call: what lies between a row's two marks, less what lies between those of nothing."""
    if len(marks) != 2 * len(rows):
        raise ModelError(f"{len(marks)} marks of {len(rows)} rows: something else asks for its priority")
    if (threads := marks[-1].threads) != 1:
        raise ModelError(f"the guest had {threads} threads; a count is exact for one alone")
    spans = [end.instructions - begin.instructions for begin, end in zip(marks[::2], marks[1::2], strict=True)]
    empty = spans[0]
    return {
        name: round((span - empty) / row["calls"])
        for (name, row), span in zip(rows.items(), spans, strict=True)
        if name != "nothing"
    }


def _runs(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """How often one call of a path ran each model."""
    return {name: {model: n / row["calls"] for model, n in row["runs"].items()} for name, row in rows.items()}


def with_rest(found: Mapping[str, int], runs: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """The rows, and for each path whose models were all counted what is left without them."""
    rows = dict(found)
    for name, models in runs.items():
        if models and all(model in found for model in models):
            rows[f"{name}{_WITHOUT}"] = round(found[name] - sum(found[model] * n for model, n in models.items()))
    return rows


def measure(
    root: Path, cpus: Sequence[str], rows: Sequence[str], *, source: Path = CHECKOUT, layouts: int = 0, progress: bool
) -> measuring.Results:
    """Count the rows on each processor.

    Parameters
    ----------
    root
        That was prepared.
    rows
        'task/name' of models, and names of `PATHS`.
    source
        The checkout whose package is counted.
    layouts
        How often all is counted again with the memory laid out otherwise.
    """
    from tqdm import tqdm

    models, paths = [row for row in rows if row not in PATHS], [row for row in PATHS if row in rows]
    found: measuring.Results = {}
    versions: dict[str, str] = {}
    spreads: dict[str, dict[str, float]] = {}
    with tqdm(total=len(cpus) * (1 + layouts), desc="runs", unit="run", disable=not progress) as bar:
        for cpu in cpus:
            with instructions_root.guest(root, cpu, source) as place:
                counted = count(place, models, paths)
                bar.update()
                others = []
                for seed in range(1, 1 + layouts):
                    others.append(count(place, models, paths, seed=seed)["rows"])
                    bar.update()
            versions = counted["versions"]
            found[cpu] = with_rest(counted["rows"], counted["runs"])
            if others:
                spreads[cpu] = {
                    name: round(max(abs(other[name] / n - 1) for other in others), 6)
                    for name, n in counted["rows"].items()
                }
    return {
        "protocol": {"qemu": aarch64_root.qemu_version(), "threads": 1, "tolerance": TOLERANCE, "layouts": layouts},
        "versions": versions,
        "instructions": found,
        "spreads": spreads,
    }


def read_expected(path: Path) -> measuring.Results:
    """What was recorded.

    Raises
    ------
    NotComparableError
        Nothing was, or it cannot be read.
    """
    try:
        recorded: measuring.Results = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise NotComparableError(f"{path}: no expectation to be read ({error}); record one with --write") from None
    return recorded


def compare(results: measuring.Results, expected: measuring.Results) -> dict[str, dict[str, float]]:
    """Each count over the expected one; rows that were never recorded are left out.

    Raises
    ------
    NotComparableError
        The versions differ.
    """
    if other := instructions_root.differing(expected["versions"], results["versions"]):
        raise NotComparableError(f"not comparable: {'; '.join(other)}; record anew with --write")
    return {
        cpu: {
            name: n / expected["instructions"][cpu][name]
            for name, n in rows.items()
            if name in expected["instructions"].get(cpu, {})
        }
        for cpu, rows in results["instructions"].items()
    }


def verdict(ratio: float) -> str:
    """Of a count over the expected one: 'more', 'less' or '' within the tolerance."""
    if ratio > 1 + TOLERANCE:
        return "more"
    return "less" if ratio < 1 - TOLERANCE else ""


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    cpus = list(results["instructions"])
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    yield f"QEMU {results['protocol']['qemu']}; there: {versions}; one thread"
    yield ""
    heads = "".join(f"{cpu:>15}{'expected':>10}" for cpu in cpus)
    yield f"{'thousand instructions a call':<33}{heads}" + "".join(f"{'layouts':>10}" for _ in results["spreads"])
    ratios = results["ratios"]
    for name in results["instructions"][cpus[0]]:
        line = f"{name:<33}"
        for cpu in cpus:
            ratio = ratios.get(cpu, {}).get(name)
            told = f"{ratio - 1:+.2%}" if ratio is not None else "-"
            line += f"{results['instructions'][cpu][name] / 1e3:>15,.1f}{told:>10}"
        line += "".join(
            f"{spread[name]:>10.3%}" if name in spread else f"{'':>10}" for spread in results["spreads"].values()
        )
        yield line
    yield ""
    if results["incomparable"]:
        yield results["incomparable"]
        return
    for cpu, rows in ratios.items():
        for name, ratio in rows.items():
            if said := verdict(ratio):
                advice = "is it meant? then record it" if said == "more" else "record it, so that it stays so"
                yield f"{cpu}, {name}: {ratio:.4f} times what is expected; {advice} with --write"
    if not any(verdict(ratio) for rows in ratios.values() for ratio in rows.values()):
        yield f"all within {TOLERANCE:.0%} of what is expected"


def run(arguments: argparse.Namespace) -> int:
    known = [f"{model.task}/{model.name}" for model in list_models([CHECKOUT / "models"])] + list(PATHS)
    rows = arguments.row or (QUICK if arguments.quick else known)
    if unknown := [row for row in rows if row not in known]:
        raise ModelError(f"no row '{unknown[0]}'; there are: {'; '.join(known)}")
    cpus = list(dict.fromkeys(arguments.cpu or (["cortex-a76"] if arguments.quick else list(aarch64_root.BOARDS))))
    root = arguments.root.resolve()
    instructions_root.prepare(root)
    results = measure(
        root,
        cpus,
        rows,
        source=arguments.source.resolve(),
        layouts=arguments.layouts,
        progress=measuring.show_progress(arguments),
    )
    ratios: dict[str, dict[str, float]] = {}
    incomparable = ""
    try:
        ratios = compare(results, read_expected(arguments.expected))
    except NotComparableError as error:
        incomparable = str(error)
    results |= {"ratios": ratios, "incomparable": incomparable}
    measuring.report("instructions", results, table, as_json=arguments.json)
    if arguments.write:
        # What it was compared with is what was expected until now.
        _write(arguments.expected, results)
        print(f"recorded: {arguments.expected}", file=sys.stderr)
        return 0
    if incomparable:
        return NotComparableError.exit_code
    return int(any(verdict(ratio) == "more" for rows in ratios.values() for ratio in rows.values()))


def _write(path: Path, results: measuring.Results) -> None:
    """Record what was counted; of the same versions, other rows and processors are kept."""
    counted = results["instructions"]
    try:
        former = read_expected(path)
    except NotComparableError:
        former = {}
    if former.get("versions") == results["versions"]:
        kept = former["instructions"]
        counted = {**kept, **{cpu: {**kept.get(cpu, {}), **rows} for cpu, rows in counted.items()}}
    document = {"tolerance": TOLERANCE, "versions": results["versions"], "instructions": counted}
    write_whole(path, json.dumps(document, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.instructions", __doc__)
    parser.add_argument(
        "--root", type=Path, default=aarch64_root.DEFAULT, metavar="DIR", help="Debian for arm64 (default: %(default)s)"
    )
    parser.add_argument(
        "--cpu", nargs="+", choices=list(aarch64_root.BOARDS), help="default: both; --quick: cortex-a76"
    )
    parser.add_argument("--row", nargs="+", metavar="ROW", help="only these, TASK/NAME of models or names as above")
    parser.add_argument(
        "--source", type=Path, default=CHECKOUT, metavar="DIR", help="the checkout whose edge/ is counted (this one)"
    )
    parser.add_argument(
        "--layouts", type=int, default=0, metavar="N", help="count N times more, the memory laid out otherwise"
    )
    parser.add_argument("--expected", type=Path, default=EXPECTED, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="record the counts as what is expected")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
