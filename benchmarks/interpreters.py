"""The same int8 files in LiteRT, tflite-runtime 2.14 and TensorFlow: what they answer, and what they take.

Each runtime has a process of its own: LiteRT and TensorFlow of this environment, tflite-runtime with NumPy 1 in an
environment that is made for it, .venv-tflite-runtime. All get the same stored numbers, the whole test set where its
folder is given and seeded noise or made-up sentences elsewhere.

LiteRT and TensorFlow hand a model to XNNPACK, tflite-runtime's x86-64 wheel does not; the built-in kernels round in
another way. So both are also run without XNNPACK: a runtime is compared with LiteRT with the same kernels, and LiteRT's
kernels with one another. Told are the rows that are answered with the same bits, the largest difference in steps of the
output, and the rows that end in the same decision: the label, also which labels reach their thresholds (text), on which
side of the middle (traits), which cells show a face (detectors). The speech model is run whole, its encoder's answers
going into its head. It exits with 1 where the built-in kernels, which are the same code in all, name different labels.

The times are those of invoke() alone. The processes take turns, in an order that is shuffled anew for each round, each
with some inferences in a row; the ratio is that of two medians of one run.

examples:
  python -m benchmarks.interpreters
  python -m benchmarks.interpreters --faces fer2013/ --speech speech/ --text text/ --photographs face_detection/
  python -m benchmarks.interpreters --model expression --faces fer2013/ --threads 1 --json
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import measuring
from benchmarks.fetching import UnavailableError
from benchmarks.interpreter_process import InterpreterProcess, Place
from benchmarks.model_inputs import Folders, Rows, add_folders, answer, chosen, decisions, folders_of, inputs_of
from benchmarks.tflite_runtime_environment import DEFAULT, environment_python
from edge.errors import ModelError
from edge.inference.catalog import InstalledModel
from edge.inference.manifest import Manifest, verify_model

LITERT, BUILTIN = "litert", "litert builtin"
"""What the others are compared with, by their kernels."""
AT_ONCE = 5
"""Inferences that a process times in a row."""
MADE_UP = 256
"""Rows where there is no test set."""

Processes = dict[str, InterpreterProcess]


def places(environment: Path) -> tuple[list[Place], list[str]]:
    """Where each runtime runs, LiteRT first, and why one is left out.

    Raises
    ------
    ModelError
        LiteRT is not installed.
    """
    if not find_spec("ai_edge_litert"):
        raise ModelError("LiteRT is what the others are compared with: pip install ai-edge-litert")
    here = (sys.executable,)
    found, absent = [Place(LITERT, "litert", here), Place(BUILTIN, "litert", here, kernels="builtin")], []
    if find_spec("tensorflow"):
        found += [
            Place("tensorflow", "tensorflow", here),
            Place("tensorflow builtin", "tensorflow", here, kernels="builtin"),
        ]
    else:
        absent.append("tensorflow: not installed")
    try:
        found.append(Place("tflite-runtime", "tflite-runtime", (str(environment_python(environment)),)))
    except UnavailableError as error:
        absent.append(str(error))
    return found, absent


def measure(
    models: Sequence[InstalledModel],
    where: Sequence[Place],
    folders: Folders,
    *,
    threads: Sequence[int],
    rounds: int,
    rows: int | None,
    progress: bool,
) -> measuring.Results:
    """Run the models at all places, compare them, and time them.

    Parameters
    ----------
    rows
        At most so many of each set, spread evenly over it; None for all.
    """
    from tqdm import tqdm

    warmup = max(2, rounds // 10)
    prepared = []
    for model in models:
        manifest = verify_model(model.path)
        found = inputs_of(model.path, manifest, folders, made_up_rows=MADE_UP, most=rows, progress=progress)
        prepared.append((model, manifest, found))
    with ExitStack() as stack:
        processes = {place.name: stack.enter_context(InterpreterProcess(place)) for place in where}
        figures = []
        for model, manifest, inputs in tqdm(prepared, desc="models", unit="model", disable=not progress):
            answers = {name: answer(process, model.path, manifest, inputs.rows) for name, process in processes.items()}
            kernels = {name: process.kernels for name, process in processes.items()}
            times = [_time(processes, model, count, rounds, warmup) for count in threads]
            figures.append(
                {
                    "task": manifest.task,
                    "name": manifest.name,
                    "version": manifest.version,
                    "sha256": manifest.sha256,
                    "source": inputs.source,
                    "rows": len(inputs.rows),
                    "answers": _compare(model, manifest, answers, kernels),
                    "times": times,
                }
            )
        return {
            "protocol": {"rounds": rounds, "warmup": warmup, "at_once": AT_ONCE, "threads": list(threads)},
            "places": [{"name": name, "kernels": each.kernels, **each.about} for name, each in processes.items()],
            "models": figures,
        }


def _compare(
    model: InstalledModel, manifest: Manifest, answers: dict[str, Rows], kernels: dict[str, str]
) -> list[measuring.Results]:
    """Each place's answers beside LiteRT's with the same kernels, and LiteRT's beside one another."""
    decided_by = {name: decisions(model.path, manifest, rows) for name, rows in answers.items()}
    found = []
    for name in answers:
        if name == LITERT:
            continue
        beside = BUILTIN if kernels[name] == "builtin" and name != BUILTIN else LITERT
        reference, decided, theirs = answers[beside], decided_by[beside], decided_by[name]
        difference = np.abs(answers[name].astype(np.int32) - reference).reshape(len(reference), -1)
        entry: measuring.Results = {
            "place": name,
            "beside": beside,
            "same_bits": int((difference == 0).all(axis=1).sum()),
            "largest_difference": int(difference.max()),
        }
        if decided is not None and theirs is not None:
            entry["same_decision"] = int((decided == theirs).all(axis=1).sum())
            if manifest.task in ("expression", "speech-emotion", "text-emotion"):
                other = decided[:, 0] != theirs[:, 0]
                entry["same_label"] = int((~other).sum())
                entry["widest_margin"] = int(_margins(reference[other][:, : len(manifest.labels)]).max(initial=0))
        found.append(entry)
    return found


def _margins(answers: Rows) -> Rows:
    """By how many steps of the output the first label leads before the second, (n,)."""
    ordered = np.sort(answers.astype(np.int32), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def _time(processes: Processes, model: InstalledModel, threads: int, rounds: int, warmup: int) -> measuring.Results:
    """Milliseconds at each place, on the rows that the model ran on last, and ratios to the first place's."""
    for process in processes.values():
        process.load(model.path, threads=threads)
    shuffler = random.Random(0)
    order = list(processes)
    seconds: dict[str, list[float]] = {name: [] for name in order}
    for turn in range(-warmup, rounds):
        shuffler.shuffle(order)
        for name in order:
            taken = processes[name].seconds(AT_ONCE)
            if turn >= 0:
                seconds[name] += taken
    medians = {name: float(np.median(seconds[name])) for name in processes}
    first = medians[next(iter(processes))]
    return {
        "threads": threads,
        "milliseconds": {name: measuring.spread(seconds[name], 1e3, 4) for name in processes},
        "ratios": {name: round(median / first, 2) for name, median in medians.items()},
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    for place in results["places"]:
        yield (
            f"{place['name']:<20}{place['runtime']}, Python {place['python']}, NumPy {place['numpy']}, "
            f"{place['kernels']} kernels"
        )
    for reason in results["absent"]:
        yield f"left out            {reason}"
    yield ""
    yield (
        f"{'answers':<22}{'beside those of':<16}{'rows':>7}{'same bits':>11}{'steps':>7}{'same decision':>15}"
        f"{'same label':>12}"
    )
    for model in results["models"]:
        yield f"{model['task']}/{model['name']}: {model['source']}"
        for other in model["answers"]:
            label = other.get("same_label", "-")
            yield (
                f"  {other['place']:<20}{other['beside']:<16}{model['rows']:>7}{other['same_bits']:>11}"
                f"{other['largest_difference']:>7}{other.get('same_decision', '-'):>15}{label:>12}"
            )
            if label not in ("-", model["rows"]):
                yield f"{'':<38}the labels that differ led by {other['widest_margin']} steps of the output at most"
    protocol = results["protocol"]
    yield ""
    yield (
        f"milliseconds of invoke(): {protocol['rounds']} rounds in turn after {protocol['warmup']} to warm up, "
        f"{protocol['at_once']} inferences a turn"
    )
    yield f"{'model':<28}{'threads':<9}{'':<20}{'median':>10}{'5 %':>10}{'95 %':>10}{'beside ' + LITERT:>16}"
    for model in results["models"]:
        for run in model["times"]:
            for name, values in run["milliseconds"].items():
                yield (
                    f"{model['task'] + '/' + model['name']:<28}{run['threads']:<9}{name:<20}{values['median']:>10.3f}"
                    f"{values['p5']:>10.3f}{values['p95']:>10.3f}{run['ratios'][name]:>15.2f}x"
                )


def differing(results: measuring.Results) -> list[str]:
    """The models whose labels differ between runtimes that use the built-in kernels, which are the same code in all."""
    return [
        f"{model['task']}/{model['name']}: {model['rows'] - other['same_label']} of {model['rows']} labels differ "
        f"between {BUILTIN} and {other['place']}"
        for model in results["models"]
        for other in model["answers"]
        if other["beside"] == BUILTIN and other.get("same_label", model["rows"]) != model["rows"]
    ]


def run(arguments: argparse.Namespace) -> int:
    where, absent = places(arguments.environment)
    results = measure(
        chosen(arguments.model),
        where,
        folders_of(arguments),
        threads=arguments.threads,
        rounds=3 if arguments.quick else arguments.rounds,
        rows=32 if arguments.quick else arguments.rows,
        progress=measuring.show_progress(arguments),
    )
    results["absent"] = absent
    measuring.report("interpreters", results, table, as_json=arguments.json)
    for line in (found := differing(results)):
        print(line, file=sys.stderr)
    return 1 if found else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.interpreters", __doc__)
    add_folders(parser)
    parser.add_argument(
        "--threads", type=measuring.positive, nargs="+", default=[1, 2], metavar="N", help="default 1 2"
    )
    parser.add_argument("--rounds", type=measuring.positive, default=60, metavar="N", help="default 60")
    parser.add_argument("--rows", type=measuring.positive, metavar="N", help="of each test set (default: all)")
    parser.add_argument(
        "--environment", type=Path, default=DEFAULT, metavar="DIR", help="tflite-runtime's (default: %(default)s)"
    )
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
