"""What a .tflite file is turned into for other programs: ONNX, a C array, snippets of code.

Each file is checked after it is written, and one that fails does not stay.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from converter import verify, writing
from converter.outputs import c_array, onnx, onnx_check, snippets
from edge.errors import ModelError
from edge.inference.manifest import Manifest, manifest_path, read_manifest

Format = Literal["onnx", "tensorrt", "c", "snippets", "labels"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SECONDS = 120
"""A snippet that takes longer than this has stopped."""


@dataclass(frozen=True)
class Written:
    """Files of one format."""

    format: Format
    paths: tuple[Path, ...]
    check: verify.InterpreterCheck | None
    """Of ONNX files: against the .tflite file."""
    checked: str
    """What was done to see that they are right."""

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "paths": [str(path) for path in self.paths]}


def write_outputs(
    model: Path,
    formats: Sequence[Format],
    samples: npt.NDArray[Any],
    *,
    labels: Sequence[str] | None = None,
    progress: bool = False,
) -> list[Written]:
    """Write other forms of a model beside it, and check each.

    NAME.onnx is for ONNX Runtime ('onnx'), NAME.tensorrt.onnx has zero points of 0 alone ('tensorrt'), NAME_model.h and
    NAME_model.cc are for TensorFlow Lite Micro ('c'), NAME_python.py, NAME_android.kt, NAME_ios.swift and NAME_cpp.cc
    load the .tflite file itself ('snippets'), NAME_labels.txt holds one label a line ('labels').

    Parameters
    ----------
    model
        NAME.tflite. If its manifest lies beside it, the labels and what the input holds come from there.
    formats
        Which to write, once each.
    samples
        (n, *input) real numbers, or int32 for numbers to look up, 1 or more: what the results are compared on.
    labels
        Instead of the manifest's.

    Returns
    -------
    One entry for each format, in their order

    Raises
    ------
    ModelError
        The model is damaged, a format cannot hold it, a file cannot be written, or what was written fails its check.
    MissingDependencyError
        A package of the extra 'onnx' is not installed.
    """
    if unknown := [each for each in formats if each not in FORMATS]:
        raise ValueError(f"formats {unknown}: known are {', '.join(FORMATS)}")
    manifest = read_manifest(manifest_path(model)) if manifest_path(model).is_file() else None
    named = tuple(labels if labels is not None else manifest.labels if manifest else ())
    written = []
    graphs: list[Any] = []
    for each in dict.fromkeys(formats):
        if each in ("onnx", "tensorrt"):
            graphs = graphs or [onnx.from_tflite(model)]
            written.append(_write_onnx(model, each, graphs[0], samples, progress=progress))
        elif each == "c":
            written.append(_write_c(model, named))
        elif each == "labels":
            written.append(_write_labels(model, named))
        else:
            written.append(_write_snippets(model, named, _takes(manifest), samples))
    return written


def _write_onnx(
    model: Path, form: Literal["onnx", "tensorrt"], graph: Any, samples: npt.NDArray[Any], *, progress: bool
) -> Written:
    symmetric = form == "tensorrt"
    path = model.with_suffix(".tensorrt.onnx" if symmetric else ".onnx")
    content = onnx.to_bytes(graph, model, symmetric=symmetric)
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        trial = Path(scratch) / path.name
        trial.write_bytes(content)
        check = onnx_check.check_onnx(trial, model, samples, symmetric=symmetric, progress=progress)
    writing.write_whole(path, content)
    told = f"ONNX Runtime {check.version} on the CPU ran {len(samples)} samples"
    return Written(form, (path,), check, told + ("; TensorRT itself was not at hand" if symmetric else ""))


def _write_c(model: Path, labels: Sequence[str]) -> Written:
    paths = c_array.write_c_array(model, model.parent, labels=labels)
    source = paths[1].read_text(encoding="utf-8")
    numbers = re.findall(r"\d+", source[source.index("{") : source.index("}")])
    if bytes(map(int, numbers)) != model.read_bytes():
        _remove(paths)
        raise ModelError(f"{paths[1]}: holds other bytes than {model.name}; is the disk sound? convert again")
    return Written("c", tuple(paths), None, "read back, byte by byte")


def _write_labels(model: Path, labels: Sequence[str]) -> Written:
    if not labels:
        raise ModelError(
            f"{model}: no labels are known to write into a file; name them, or leave out the format 'labels'"
        )
    if torn := [label for label in labels if len(label.splitlines()) != 1]:
        raise ModelError(f"{model}: the label {torn[0]!r} is not one line of text")
    path = writing.write_whole(model.with_name(f"{model.stem}_labels.txt"), "\n".join(labels) + "\n")
    return Written("labels", (path,), None, f"{len(labels)} lines")


def _write_snippets(model: Path, labels: Sequence[str], takes: str, samples: npt.NDArray[Any]) -> Written:
    paths = snippets.write_snippets(model, model.parent, labels=labels, takes=takes)
    python = paths[0]
    expected = verify.logits(model, samples[:1])
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        np.save(Path(scratch) / "x.npy", samples[:1])
        command = [sys.executable, str(python), str(Path(scratch) / "x.npy")]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
            answer = np.array(done.stdout.splitlines()[-1].split(), np.float64)
        except (subprocess.SubprocessError, IndexError, ValueError) as error:
            _remove(paths)
            told = str(getattr(error, "stderr", None) or error).strip().splitlines() or ["no answer"]
            raise ModelError(f"{python}: cannot be run: {told[-1]}") from error
    # It prints six digits.
    if answer.shape != (expected.size,) or not np.allclose(answer, expected.ravel(), rtol=1e-5, atol=1e-6):
        _remove(paths)
        raise ModelError(f"{python}: gives other results than the model; install the same ai-edge-litert for both")
    return Written("snippets", tuple(paths), None, f"{python.name} was run; the others need a phone or a compiler")


def _takes(manifest: Manifest | None) -> str:
    """What the input holds, for a reader."""
    if manifest is None:
        return "real numbers, as the model was trained on them"
    entry = manifest.input.model_dump()
    if (ends := entry.get("pixel_range") or entry.get("real_range")) is not None:
        return f"{entry.get('holds') or entry['color']} pixels, 0 to 255 as {ends[0]:g} to {ends[1]:g}"
    if "text" in entry:
        return "numbers of tokens, as the manifest says under input.text"
    if "spectrogram" in entry:
        return "a log-mel spectrogram, as the manifest says under input.spectrogram"
    return "real numbers, as the manifest says"


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
