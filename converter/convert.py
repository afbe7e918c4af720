"""From a model file to a folder with the converted one: read, try the methods, choose, write, verify.

This is what `affect-edge convert` does. Nothing is written into the folder before a method has been chosen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from converter import auto, bench, cost, delegates, layer_costs, remote, report, verify
from converter.auto import Comparison, Recommendation, Variant
from converter.bench import Bench, Effort
from converter.data import Data, read_data
from converter.delegates import DelegateSupport
from converter.load import load
from converter.methods import METHODS, Method, Options, calibration_of
from converter.outputs import Format, Written, write_outputs
from converter.package import write_package
from converter.report import Report
from converter.report_page import write_page
from converter.subject import Subject
from converter.verify import InterpreterCheck
from edge.errors import DataError, ModelError
from edge.inference.manifest import ArrayInput

Task = Literal["expression", "other"]

_COMPARED = 64
"""Validation samples that every installed interpreter, and every other format, is run on."""


@dataclass(frozen=True)
class Request:
    """What to convert and how; the command's arguments."""

    model: Path
    data: str
    out: Path
    methods: tuple[Method, ...] = METHODS
    """One, or several to choose from."""
    task: Task = "other"
    labels: tuple[str, ...] | None = None
    """In the order of the outputs; None: what the data calls them."""
    name: str | None = None
    """Of the files; None: the model file's."""
    version: str = "1"
    input_shape: tuple[int, ...] | None = None
    """Of one sample, for a model that leaves sides open."""
    data_dir: Path | None = None
    """Of the public data, for `recipe:NAME`."""
    most: int | None = None
    """Samples drawn from the data."""
    costliest: int = 0
    """How many of the layers that cost int8 most are looked for."""
    keep_costliest: bool = False
    """Whether those stay in float, beside `options.keep_float`."""
    max_drop: float = auto.MAX_DROP
    board: str | None = None
    """ssh address to take the times on; None: this machine."""
    threads: tuple[int, ...] | None = None
    """Numbers of threads to take times with; None: 1, 2, 4, ... as far as there are cores."""
    formats: tuple[Format, ...] = ()
    """Beside .tflite and the labels."""
    keep_all: bool = False
    """Write the other variants too, as NAME-METHOD.tflite."""
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Result:
    """What came of it."""

    model: Path
    """The .tflite file; manifest, labels and reports lie beside it."""
    report: Report
    interpreters: tuple[InterpreterCheck, ...]
    """The file in every interpreter that is installed."""
    delegates: tuple[DelegateSupport, ...]
    """What of the file would fall back to the CPU."""
    others: tuple[Written, ...]
    """The other formats, and how each was checked."""
    files: tuple[Path, ...]
    """All that was written, the model first."""


def convert(request: Request) -> Result:
    """Convert a model.

    Raises
    ------
    ModelError
        The model cannot be read or converted by any of the methods, or the folder cannot be written.
    DataError
        The data cannot be read, or does not fit the model.
    BoardError
        The board cannot be reached, or not be used.
    """
    name = request.name or request.model.stem
    _require_writable(request.out)
    board = None if request.board is None else remote.parse(request.board)
    subject = load(request.model, input_shape=request.input_shape)
    if request.task == "expression" and (len(subject.shape) != 3 or subject.shape[-1] != 1):
        raise ModelError(
            f"{subject.where}: takes {subject.shape}; --task expression needs grey pictures, (height, width, 1)"
        )
    data = read_data(
        request.data,
        subject,
        labels=request.labels,
        input_range=request.options.input_range,
        data_dir=request.data_dir,
        most=request.most,
        seed=request.options.seed,
        progress=request.options.progress,
    )
    labels = _labels(request, data, subject)
    costs = _costs(subject, data, request)
    checkpoint = request.out / f".{name}-qat"
    kept = tuple(each.layer for each in costs) if request.keep_costliest else ()
    options = replace(request.options, keep_float=(*request.options.keep_float, *kept), checkpoint=checkpoint)

    def timer(files: Mapping[str, Path]) -> Bench:
        effort = Effort(threads=request.threads)
        if board is not None:
            return remote.measure(board, files, effort=effort, progress=options.progress)
        return bench.measure(files, effort=effort, progress=options.progress)

    # With one method alone, float32 beside it shows what it gains.
    methods = request.methods if len(request.methods) > 1 else tuple(dict.fromkeys(("float32", *request.methods)))
    comparison = auto.variants(subject, data, options, methods=methods, timer=timer)
    facts = {"kept_in_float": list(options.keep_float)}
    found = report.of(subject, data, comparison, options, max_drop=request.max_drop, facts=facts)
    found = replace(found, name=name, costs=costs)
    if len(request.methods) == 1:
        found = replace(found, recommendation=_asked(comparison, request))
    result = _write(subject, data, labels, found, request)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return result


def _require_writable(folder: Path) -> None:
    """Find out before the work, not after it; makes nothing."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ModelError(f"{there}: is a file, not a folder; name another one with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ModelError(f"{there}: cannot be written; name another folder with --out, or change its permissions")


def _labels(request: Request, data: Data, subject: Subject) -> tuple[str, ...]:
    labels = request.labels or data.labels or ()
    outputs = subject.output_shape[-1] if subject.output_shape else 1
    if labels and len(labels) != outputs:
        raise ModelError(f"--labels: {len(labels)} labels ({', '.join(labels[:9])}) for {outputs} outputs")
    if request.task == "expression" and not labels:
        raise DataError("--labels: --task expression needs the names of the outputs, such as --labels angry,happy,sad")
    return labels


def _costs(subject: Subject, data: Data, request: Request) -> Sequence[layer_costs.LayerCost]:
    if not request.costliest:
        return ()
    return layer_costs.costliest(
        subject,
        calibration_of(data, request.options),
        data.validation.x,
        request.costliest,
        input_range=request.options.input_range or data.input_range,
        progress=request.options.progress,
    )


def _asked(comparison: Comparison, request: Request) -> Recommendation:
    (method,) = request.methods
    variant = comparison[method]
    if variant.error is not None:
        raise ModelError(f"{request.model}: {method}: {variant.error}")
    return Recommendation(method, variant.threads, "the one that was asked for", auto.figures(comparison, variant))


def _write(subject: Subject, data: Data, labels: tuple[str, ...], found: Report, request: Request) -> Result:
    """Write and check everything in a folder of its own, then put it into its place: all of it or nothing."""
    is_new = not request.out.exists()
    scratch = request.out / f".affect-edge-{os.getpid()}"
    try:
        scratch.mkdir(parents=True)
        result = _written(subject, data, labels, found, request, scratch)
        for path in result.files:
            path.replace(request.out / path.name)
    except OSError as error:
        raise ModelError(
            f"{request.out}: cannot be written: {error.strerror}; free space or name another folder"
        ) from None
    except ModelError as error:
        raise ModelError(str(error).replace(str(scratch), str(request.out))) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if is_new and request.out.is_dir() and not any(request.out.iterdir()):
            request.out.rmdir()
    files = tuple(request.out / path.name for path in result.files)
    return replace(result, model=files[0], files=files)


def _written(
    subject: Subject, data: Data, labels: tuple[str, ...], found: Report, request: Request, folder: Path
) -> Result:
    comparison, chosen = found.comparison, found.recommendation.method
    model = _package(subject, data, labels, comparison, comparison[chosen], found.name, request, folder)
    samples = data.validation.x[:_COMPARED]
    interpreters = verify.check_interpreters(model, samples, progress=request.options.progress)
    verify.require_alike(model, interpreters)
    formats: tuple[Format, ...] = (*(("labels",) if labels else ()), *request.formats)
    others = write_outputs(model, formats, samples, labels=labels, progress=request.options.progress)
    files = [model, model.with_suffix(".json")]
    if request.keep_all:
        for variant in comparison.variants:
            if variant.method != chosen and variant.content is not None and not variant.error:
                name = f"{found.name}-{variant.method}"
                other = _package(subject, data, labels, comparison, variant, name, request, folder)
                files += [other, other.with_suffix(".json")]
    files += [path for each in others for path in each.paths]
    support = delegates.check(model)
    facts = {**found.facts, "delegates": [each.summary() for each in support]}
    facts["interpreters"] = [each.summary() for each in interpreters]
    found = replace(found, facts=facts)
    files += [folder / f"{found.name}_report.json", folder / f"{found.name}_report.html"]
    report.write_json(found, files[-2])
    write_page(found, files[-1])
    return Result(model, found, tuple(interpreters), tuple(support), tuple(others), tuple(files))


def _package(
    subject: Subject,
    data: Data,
    labels: tuple[str, ...],
    comparison: Comparison,
    variant: Variant,
    name: str,
    request: Request,
    folder: Path,
) -> Path:
    assert variant.content is not None and variant.agreement is not None  # an error else
    ends = request.options.input_range or data.input_range
    channels = subject.shape[-1] if len(subject.shape) == 3 else 0
    quantization: dict[str, Any] = {
        "method": variant.method,
        **variant.notes,
        "agreement": variant.agreement.as_dict(),
        comparison.measure.replace(" ", "_"): round(variant.score or 0.0, 5),
        f"{comparison.measure.replace(' ', '_')}_of_float": round(comparison.baseline, 5),
        "in_float": sorted(set(variant.floating)),
    }
    return write_package(
        variant.content,
        folder,
        name=name,
        task=request.task,
        labels=labels,
        version=request.version,
        quantization=quantization,
        parameters=None if subject.model is None else cost.parameters(subject.model),
        multiply_adds=None if subject.model is None else cost.multiply_adds(subject.model),
        pixel_range=ends or (0.0, 1.0),
        takes=None
        if request.task == "expression"
        else (ArrayInput, {"holds": {1: "gray", 3: "rgb"}.get(channels, "numbers"), "real_range": ends}),
    )
