"""What each method of conversion makes of each model: size, speed, agreement with the float model, what stays in float.

The models are this project's architectures and five public ones of keras.applications. Weights are random unless --runs
names a folder with trained ones; the data is made up, with a seed. Then the figures tell of size, speed and exactness,
not of accuracy: qat has no more than two steps, and what it does for accuracy takes a real training set.

Every model goes the way that a user's goes: saved as .keras, read by the converter, converted by each method, the file
run on the validation samples by LiteRT. Latencies are medians of the files of one model in turns in one process.
"bridge" is the largest difference between the outputs of the Keras 3 model and of what the converter made of it, as a
part of the largest output.

examples:
  python -m benchmarks.convert_matrix
  python -m benchmarks.convert_matrix --models expression MobileNetV2 --methods float32 int8 --size 96
  python -m benchmarks.convert_matrix --runs runs --write
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks import matrix_page, measuring
from benchmarks.matrix_models import PUBLIC, SEED, Entry, entries, settle
from converter.auto import Comparison, Variant
from converter.methods import Method
from edge.errors import AffectEdgeError, ModelError

METHODS: tuple[Method, ...] = ("float32", "float16", "dynamic", "int8", "int16x8", "qat")
"""In the order of the columns."""

PAGE = Path(__file__).with_suffix(".md")
"""What --write writes."""

QAT_STEPS = 2
_SETTLE = 16


def measure(
    chosen: Sequence[Entry],
    methods: Sequence[Method],
    *,
    samples: int,
    threads: Sequence[int],
    turns: int,
    progress: bool,
) -> measuring.Results:
    """Convert and measure; a model that cannot be converted at all is told, and stops none of the others.

    Parameters
    ----------
    samples
        To calibrate and fine-tune on, and as many others to compare outputs on.
    turns
        Of the timing.
    """
    from tqdm import tqdm

    from converter import environment

    environment.prepare()
    rows = []
    for entry in tqdm(chosen, desc="models", unit="model", disable=not progress):
        try:
            rows.append(_row(entry, methods, samples, threads, turns, progress))
        except AffectEdgeError as error:
            rows.append({"model": entry.name, "trained": entry.trained, "error": str(error)})
    return {
        "protocol": {
            "seed": SEED,
            "calibration_samples": samples,
            "validation_samples": samples,
            "qat_steps": QAT_STEPS,
            "threads": list(threads),
            "turns": turns,
        },
        "versions": environment.versions(),
        "methods": list(methods),
        "rows": rows,
    }


def _row(
    entry: Entry, methods: Sequence[Method], samples: int, threads: Sequence[int], turns: int, progress: bool
) -> measuring.Results:
    import keras
    import tf_keras

    from converter import auto, bench, cost
    from converter.data import Data, Samples
    from converter.load import load
    from converter.methods import Options

    keras.utils.set_random_seed(SEED)
    model = entry.build()
    shape = tuple(model.input.shape[1:])
    x = entry.data(shape, 2 * samples)
    if not entry.trained:
        settle(model, x[:_SETTLE])
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        file = Path(scratch) / f"{entry.name}.keras"
        model.save(file)
        subject = load(file)
    learned, judged = Samples(x[:samples], None), Samples(x[samples:], None)
    expected = np.asarray(model.predict(judged.x, batch_size=16, verbose=0), np.float64)
    difference = np.abs(subject.predict(judged.x) - expected).max() / max(float(np.abs(expected).max()), 1e-30)
    effort = bench.Effort(threads=tuple(threads), turns=turns)
    comparison = auto.variants(
        subject,
        Data(learned, judged, None, "made up"),
        Options(seed=SEED, epochs=1, batch=-(-samples // QAT_STEPS), progress=progress),
        methods=methods,
        timer=lambda files: bench.measure(files, effort=effort, progress=progress),
    )
    found = {
        "model": entry.name,
        "trained": entry.trained,
        "input": list(shape),
        "parameters": cost.parameters(subject.model),
        "multiply_adds": cost.multiply_adds(subject.model),
        "bridge_difference": float(difference),
        "classes_named": len(np.unique(expected.argmax(axis=-1))) if expected.ndim == 2 else None,
        "machine": str(comparison.machine),
        "cells": {variant.method: _cell(variant, comparison) for variant in comparison.variants},
    }
    tf_keras.backend.clear_session()
    keras.backend.clear_session()
    return found


def _cell(variant: Variant, comparison: Comparison) -> measuring.Results:
    """What one method gave."""
    if variant.error is not None or variant.agreement is None:
        return {"error": variant.error}
    base = next((each.milliseconds for each in comparison.variants if each.method == "float32"), {})
    return {
        "size_bytes": variant.size_bytes,
        "milliseconds": {str(threads): round(taken, 4) for threads, taken in variant.milliseconds.items()},
        "ratio": {
            str(threads): round(taken / base[threads], 3)
            for threads, taken in variant.milliseconds.items()
            if threads in base
        },
        "top1": None if comparison.measure == "variance explained" else variant.agreement.top1,
        "sqnr_db": round(variant.agreement.sqnr_db, 1),
        "floating": dict(Counter(variant.floating)),
    }


def run(arguments: argparse.Namespace) -> int:
    known = entries(runs=arguments.runs, size=arguments.size)
    names = [entry.name for entry in known]
    for name in arguments.models or ():
        if name not in names:
            raise ModelError(f"no model '{name}'; there are {', '.join(names)}")
    results = measure(
        [entry for entry in known if entry.name in (arguments.models or names)],
        [method for method in METHODS if method in arguments.methods],
        samples=8 if arguments.quick else arguments.samples,
        threads=arguments.threads,
        turns=5 if arguments.quick else arguments.turns,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("convert_matrix", results, matrix_page.table, as_json=arguments.json)
    if arguments.write:
        matrix_page.write(PAGE, results, measuring.environment())
    return 1 if any("error" in row for row in results["rows"]) else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.convert_matrix", __doc__)
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument(
        "--methods", nargs="+", choices=get_args(Method), default=list(METHODS), metavar="METHOD", help="default: all"
    )
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of training runs, for trained weights")
    parser.add_argument(
        "--size",
        type=measuring.positive,
        metavar="PIXELS",
        help=f"side of the input of {', '.join(PUBLIC)} (default: their own, 224)",
    )
    parser.add_argument("--samples", type=measuring.positive, default=32, metavar="N", help="default 32")
    parser.add_argument(
        "--threads", type=measuring.positive, nargs="+", default=[1, 2], metavar="N", help="default 1 2"
    )
    parser.add_argument("--turns", type=measuring.positive, default=30, metavar="N", help="of the timing (default 30)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} too")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
