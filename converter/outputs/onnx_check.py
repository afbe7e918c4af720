"""An ONNX file against the .tflite file that it was made from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import verify
from converter.outputs.onnx import OUTPUT
from edge.errors import MissingDependencyError, ModelError
from edge.inference.interpreter import load_interpreter
from edge.inference.onnx_model import CPU, runtime_version

SYMMETRIC_BOUND = 8 / 255
"""How far the outputs of the form for TensorRT may lie apart on the mean, as a part of what the output holds.

Eight steps of int8. After a ReLU its steps are twice as large as the .tflite file's, in every layer: the project's
models were between 0.5 and 3.5 steps apart, the face detectors most.
"""


def check_onnx(
    path: Path, model: Path, x: npt.NDArray[Any], *, symmetric: bool = False, progress: bool = False
) -> verify.InterpreterCheck:
    """Run an ONNX file with ONNX Runtime on the CPU and compare it with LiteRT, or the first runtime installed.

    Parameters
    ----------
    path
        The .onnx file.
    model
        The .tflite file.
    x
        (n, *input) real numbers, or int32, as `verify.logits` takes them.
    symmetric
        The file is the form for TensorRT, which has a bound of its own.

    Raises
    ------
    ModelError
        ONNX Runtime cannot load or run the file, its tensors are other than the .tflite file's, or its results lie
        beyond the bound.
    MissingDependencyError
        ONNX Runtime is not installed.
    """
    interpreter = load_interpreter(model)
    session = _session(path)
    (entry,), (out,) = session.get_inputs(), session.get_outputs()
    if (tuple(entry.shape), tuple(out.shape)) != (interpreter.input.shape, interpreter.output.shape):
        raise ModelError(
            f"{path}: takes {entry.shape} and gives {out.shape}, where {model.name} has "
            f"{list(interpreter.input.shape)} and {list(interpreter.output.shape)}"
        )
    reference, found = [], []
    for sample in tqdm(x, desc="ONNX", unit="sample", disable=None if progress else True):
        stored = verify.quantise(sample[None], interpreter)
        reference.append(interpreter.run(stored)[0])
        try:
            found.append(session.run([OUTPUT], {entry.name: stored})[0][0])
        except Exception as error:  # ONNX Runtime's errors are made in C++, and derive from nothing narrower
            raise ModelError(f"{path}: ONNX Runtime cannot run it: {' '.join(str(error).split())}") from error
    told = runtime_version() or "unknown"
    check = verify.compare("onnxruntime", told, np.stack(reference), np.stack(found), interpreter.output)
    info = interpreter.output
    if symmetric and info.dtype.kind == "i":
        limits = np.iinfo(info.dtype)
        span = info.scale * (int(limits.max) - int(limits.min))
        check = replace(check, within_bound=check.mean_difference <= SYMMETRIC_BOUND * span)
    if not check.within_bound:
        raise ModelError(
            f"{path}: its results differ from {model.name}'s by up to {check.max_difference:.4g}, "
            f"{check.mean_difference:.4g} on the mean: more than rounding; "
            + ("this model needs zero points, use the ONNX file that is not for TensorRT" if symmetric else _MEND)
        )
    return check


_MEND = "tf2onnx has an operator of it wrong: convert with --method float32 for ONNX"


def _session(path: Path) -> Any:
    """A session that computes what the file says.

    Without more ado ONNX Runtime adds up products of 8 bits in 16 on x86 processors that have AVX2 and no VNNI, and
    they overflow: the expression model's outputs were 0.89 steps off on the mean, and 0.07 in the exact mode. That mode
    refuses weights that several nodes share, as unrolled layers do; those are run in float, node by node as they stand.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingDependencyError("onnxruntime", "onnx", "checking an ONNX file") from None
    onnxruntime.set_default_logger_severity(3)  # its warnings are about the form of the file, which is tf2onnx's
    exact, plain = onnxruntime.SessionOptions(), onnxruntime.SessionOptions()
    exact.add_session_config_entry("session.x64quantprecision", "1")
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    failure: Exception | None = None
    for options in (exact, plain):
        options.log_severity_level = 4  # what it says of the exact mode's refusal is no news
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=[CPU])
        except Exception as error:  # see above
            failure = error
    raise ModelError(f"{path}: ONNX Runtime cannot load it: {' '.join(str(failure).split())}") from failure
