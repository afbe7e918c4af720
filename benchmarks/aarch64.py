"""The int8 models on emulated Arm processors, with LiteRT's own aarch64 wheel: the same bits as here?

QEMU runs Debian's Python and LiteRT on a Cortex-A72 (Raspberry Pi 4) and a Cortex-A76 (Raspberry Pi 5, whose dot
products XNNPACK uses). All get the same stored numbers as LiteRT on this machine: the test sets where their folders are
given, seeded noise or made-up sentences elsewhere. Both sides must run XNNPACK's kernels: the built-in ones round in
another way. It tells nothing of speed.

The folder with Debian and the wheel is built when it is not there, which needs root, mmdebstrap and the network (some
200 MB); qemu-user-static runs it. It exits with 1 where a bit differs.

examples:
  sudo python -m benchmarks.aarch64
  python -m benchmarks.aarch64 --root /var/tmp/aarch64 --cpu cortex-a76 --model expression --faces fer2013/ --rows 200
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import aarch64_root, measuring
from benchmarks.interpreter_process import InterpreterProcess, Place
from benchmarks.model_inputs import Folders, add_folders, answer, chosen, folders_of, inputs_of
from edge.errors import ModelError
from edge.inference.catalog import InstalledModel
from edge.inference.manifest import verify_model


def measure(
    root: Path, cpus: Sequence[str], models: Sequence[InstalledModel], folders: Folders, *, rows: int, progress: bool
) -> measuring.Results:
    """Run the models here and on each processor, and compare each bit.

    Raises
    ------
    ModelError
        XNNPACK does not run on one of the sides, or a process ends.
    """
    from tqdm import tqdm

    manifests = [verify_model(model.path) for model in models]
    inputs = [
        inputs_of(model.path, manifest, folders, made_up_rows=rows, most=rows, progress=progress).rows
        for model, manifest in zip(models, manifests, strict=True)
    ]
    sides = {}
    with tqdm(total=(1 + len(cpus)) * len(models), desc="models", unit="model", disable=not progress) as bar:
        for cpu in ("here", *cpus):
            place = Place("here", "litert", (sys.executable,)) if cpu == "here" else aarch64_root.board(root, cpu)
            with InterpreterProcess(place) as process:
                answers = []
                for model, manifest, x in zip(models, manifests, inputs, strict=True):
                    answers.append(answer(process, model.path, manifest, x))
                    bar.update()
                if process.kernels != "XNNPACK":
                    raise ModelError(f"{cpu}: XNNPACK did not take the models over, and other kernels round otherwise")
                sides[cpu] = process.about, answers
    _, here = sides["here"]
    return {
        "protocol": {"rows": rows, "kernels": "XNNPACK", "qemu": aarch64_root.qemu_version()},
        "places": [{"name": name, **about} for name, (about, _) in sides.items()],
        "models": [
            {
                "task": manifest.task,
                "name": manifest.name,
                "sha256": manifest.sha256,
                "rows": len(inputs[index]),
                "different_answers": len(np.unique(here[index].reshape(len(here[index]), -1), axis=0)),
                "differing_rows": {
                    cpu: int((sides[cpu][1][index] != here[index]).reshape(len(here[index]), -1).any(axis=1).sum())
                    for cpu in cpus
                },
            }
            for index, manifest in enumerate(manifests)
        ],
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    for place in results["places"]:
        board = f" ({aarch64_root.BOARDS[place['name']]})" if place["name"] in aarch64_root.BOARDS else ""
        yield (
            f"{place['name'] + board:<28}{place['runtime']}, {place['machine']}, Python {place['python']}, "
            f"NumPy {place['numpy']}"
        )
    yield f"QEMU {results['protocol']['qemu']}; XNNPACK's kernels on all sides"
    yield ""
    cpus = [place["name"] for place in results["places"][1:]]
    yield f"{'rows that differ from here':<28}{'rows':>6}{'answers':>9}{''.join(f'{cpu:>14}' for cpu in cpus)}"
    for model in results["models"]:
        counts = "".join(f"{model['differing_rows'][cpu]:>14}" for cpu in cpus)
        yield (f"{model['task'] + '/' + model['name']:<28}{model['rows']:>6}{model['different_answers']:>9}{counts}")


def run(arguments: argparse.Namespace) -> int:
    models = chosen(arguments.model)
    # A child's folder is not this one.
    root = arguments.root.resolve()
    aarch64_root.build(root)
    results = measure(
        root,
        list(dict.fromkeys(arguments.cpu)),
        models,
        folders_of(arguments),
        rows=2 if arguments.quick else arguments.rows,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("aarch64", results, table, as_json=arguments.json)
    return 1 if any(any(model["differing_rows"].values()) for model in results["models"]) else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.aarch64", __doc__)
    parser.add_argument(
        "--root", type=Path, default=aarch64_root.DEFAULT, metavar="DIR", help="Debian for arm64 (default: %(default)s)"
    )
    parser.add_argument(
        "--cpu", nargs="+", choices=list(aarch64_root.BOARDS), default=list(aarch64_root.BOARDS), help="default: both"
    )
    add_folders(parser)
    parser.add_argument("--rows", type=measuring.positive, default=16, metavar="N", help="for each model (default 16)")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
