"""What a written .tflite file is worth: its operators, its agreement with the float model, its speed.

Everything is read back from the file through the device's own interpreter.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import environment
from edge.errors import MissingDependencyError, ModelError
from edge.inference.interpreter import (
    Interpreter,
    TensorInfo,
    available_runtimes,
    dequantise,
    load_interpreter,
)

FloatArray = npt.NDArray[np.float32]

MEAN_BOUND, MOST_BOUND = 1 / 255, 16 / 255
"""How far quantised outputs of two runtimes may lie apart, on the mean and at most, as parts of what the output holds.

Of int8 that is 1 and 16 steps. Kernels round differently, and each layer carries that on: between LiteRT's reference
kernels and its XNNPACK the face detector's outputs differ by up to 8 steps on noise.
"""

FLOAT_BOUND = 1e-3
"""How far float outputs may lie apart at most, as a part of the largest one."""


@dataclass(frozen=True)
class Operators:
    """The operators of a file."""

    counts: dict[str, int]
    """By TFLite's name, in the order of the file."""
    floating: tuple[str, ...]
    """Those with a float tensor at either side, and those that are no builtins: what keeps a file from being int8."""


@dataclass(frozen=True)
class Agreement:
    """How near the file's outputs are to the float model's."""

    samples: int
    top1: float
    """Share of samples where both name the same class, 0 to 1."""
    max_difference: float
    """Largest absolute difference of two logits."""
    mean_difference: float
    """Mean absolute difference of two logits."""
    sqnr_db: float
    """Signal-to-quantisation-noise ratio of the logits: 10 log10 of their power over the differences' power."""

    def as_dict(self) -> dict[str, Any]:
        """For the manifest, rounded to what the figures can bear."""
        return {key: round(value, 5) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class InterpreterCheck:
    """How one runtime's results compare with the first one's, which is LiteRT where it is installed."""

    runtime: str
    """'litert', 'tflite-runtime', 'tensorflow' or 'onnxruntime'."""
    version: str
    equal: bool
    """Bit for bit."""
    max_difference: float
    """Largest absolute difference of two real outputs."""
    mean_difference: float
    labels_agree: float
    """Share of samples where the greatest output stands at the same place, 0 to 1."""
    within_bound: bool
    """Nearer than `MEAN_BOUND` and `MOST_BOUND`, or `FLOAT_BOUND`."""
    error: str | None = None
    """Why the runtime, though installed, could not run the file; the figures then say nothing."""

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)

    def summary(self) -> str:
        """One line."""
        name = f"{self.runtime} {self.version}"
        if self.error is not None:
            return f"{name}: cannot run it: {self.error}"
        if self.equal:
            return f"{name}: equal to the last bit"
        return f"{name}: same class in {self.labels_agree:.2%}, outputs differ by {self.max_difference:.4g} at most"


def operators(path: Path) -> Operators:
    """List the operators of a .tflite file.

    Raises
    ------
    ModelError
        LiteRT cannot load the file.
    MissingDependencyError
        LiteRT is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter as LiteRT
        from ai_edge_litert.interpreter import OpResolverType
    except ModuleNotFoundError:
        raise MissingDependencyError("ai-edge-litert", "convert", "listing a model's operators") from None
    try:
        # Without the default delegate, which would hide the operators behind one of its own.
        model = LiteRT(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        model.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: LiteRT cannot load it: {error}") from error
    dtypes = {tensor["index"]: np.dtype(tensor["dtype"]) for tensor in model.get_tensor_details()}
    counts: Counter[str] = Counter()
    floating: list[str] = []
    for operator in model._get_ops_details():
        name = str(operator["op_name"])
        counts[name] += 1
        tensors = [dtypes[index] for index in (*operator["inputs"], *operator["outputs"]) if index in dtypes]
        if any(dtype.kind == "f" for dtype in tensors) or name.startswith(("Flex", "CUSTOM")):
            floating.append(name)
    return Operators(dict(counts), tuple(floating))


def require_int8(path: Path) -> Operators:
    """The operators of a file that must be int8 throughout; numbers to look up in a table may go in as int32.

    Raises
    ------
    ModelError
        Its input or output is of another kind, or an operator works in float; the message names them.
    """
    interpreter = load_interpreter(path)
    for side, tensor in (("input", interpreter.input), ("output", interpreter.output)):
        if tensor.dtype != np.int8 and (side == "output" or tensor.dtype != np.int32):
            raise ModelError(f"{path}: its {side} is {tensor.dtype}, not int8")
    found = operators(path)
    if found.floating:
        raise ModelError(
            f"{path}: not int8 throughout, these stayed in float: {', '.join(sorted(set(found.floating)))}"
        )
    return found


def logits(
    path: Path, x: FloatArray | npt.NDArray[np.int32], *, threads: int = 1, progress: bool = False
) -> FloatArray:
    """Run a .tflite file, one sample at a time.

    Parameters
    ----------
    x
        (n, height, width, channels) real numbers, as the float model takes them; stored as the file's input wants.
        For a text model (n, length, pieces) int32.

    Returns
    -------
    (n, classes) real numbers
    """
    interpreter = load_interpreter(path, threads=threads)
    return dequantise(_stored(interpreter, x, progress=progress), interpreter.output)


def _stored(interpreter: Interpreter, x: npt.NDArray[Any], *, progress: bool) -> npt.NDArray[Any]:
    """Run samples one at a time; the numbers as the file stores them."""
    rows = [
        interpreter.run(quantise(sample[None], interpreter))[0]
        for sample in tqdm(x, desc="verify", unit="sample", disable=None if progress else True)
    ]
    return np.stack(rows)


def check_interpreters(path: Path, x: npt.NDArray[Any], *, progress: bool = False) -> list[InterpreterCheck]:
    """Load a file in every runtime that is installed, run it on samples, and compare.

    Parameters
    ----------
    path
        The .tflite file.
    x
        (n, *input) real numbers, or int32, as `logits` takes them.

    Returns
    -------
    One entry for each installed runtime, LiteRT first. `require_alike` judges them.

    Raises
    ------
    ModelError
        The first runtime cannot load or run the file, or none is installed.
    """
    checks: list[InterpreterCheck] = []
    reference: npt.NDArray[Any] | None = None
    for runtime in available_runtimes():
        if runtime.version is None:
            continue
        name: Any = runtime.name
        try:
            # TensorFlow has much to say while it is imported, its interpreter's end among it.
            with environment.quiet(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                interpreter = load_interpreter(path, runtime=name)
            found = _stored(interpreter, x, progress=progress)
        except ModelError as error:
            if reference is None and runtime.error is None:
                raise
            failed = InterpreterCheck(
                runtime.name, runtime.version, False, 0, 0, 0, within_bound=False, error=str(error)
            )
            checks.append(failed)
            continue
        reference = found if reference is None else reference
        checks.append(compare(runtime.name, runtime.version, reference, found, interpreter.output))
    if reference is None:
        load_interpreter(path)  # says what to install
    return checks


def compare(
    runtime: str, version: str, reference: npt.NDArray[Any], found: npt.NDArray[Any], info: TensorInfo
) -> InterpreterCheck:
    """Compare a runtime's results with the reference, both (n, *output) as the file stores them."""
    one, other = (dequantise(stored, info).astype(np.float64) for stored in (reference, found))
    difference = np.abs(one - other)
    most, mean = float(difference.max()), float(difference.mean())
    if info.dtype.kind == "f":
        within = bool(most <= FLOAT_BOUND * max(1.0, float(np.abs(one).max())))
    else:
        limits = np.iinfo(info.dtype)
        span = info.scale * (int(limits.max) - int(limits.min))
        within = mean <= MEAN_BOUND * span and most <= MOST_BOUND * span
    rows = len(one)
    labels = one.reshape(rows, -1).argmax(axis=1) == other.reshape(rows, -1).argmax(axis=1)
    return InterpreterCheck(
        runtime,
        version,
        equal=bool(np.array_equal(reference, found)),
        max_difference=most,
        mean_difference=mean,
        labels_agree=float(labels.mean()),
        within_bound=within,
    )


def require_alike(path: Path, checks: list[InterpreterCheck]) -> None:
    """Refuse a file that two runtimes compute differently.

    A runtime that could not run the file at all is no reason: it may be too old, or built for another NumPy.

    Raises
    ------
    ModelError
        Naming the runtime, and by how much its results differ.
    """
    for check in checks:
        if check.error is None and not check.within_bound:
            raise ModelError(
                f"{path}: {check.runtime} {check.version} and {checks[0].runtime} {checks[0].version} differ by up to "
                f"{check.max_difference:.4g}, {check.mean_difference:.4g} on the mean: more than rounding; "
                "update the older one, or leave the layer that differs in float"
            )


def quantise(x: FloatArray | npt.NDArray[np.int32], interpreter: Interpreter) -> npt.NDArray[Any]:
    """The numbers that a file stores for real input."""
    spec = interpreter.input
    if spec.dtype.kind == "f":
        return x.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    stored = np.rint(x.astype(np.float64) / spec.scale) + spec.zero_point
    clipped: npt.NDArray[Any] = np.clip(stored, limits.min, limits.max).astype(spec.dtype)
    return clipped


def agreement(reference: FloatArray, found: FloatArray) -> Agreement:
    """Compare the logits of the float model with those of a file, both (n, classes)."""
    if reference.shape != found.shape:
        raise ModelError(f"the file gives {found.shape} outputs where the float model gives {reference.shape}")
    difference = np.abs(reference.astype(np.float64) - found)
    noise = max(float((difference**2).mean()), 1e-20)
    return Agreement(
        samples=len(reference),
        top1=float((reference.argmax(axis=1) == found.argmax(axis=1)).mean()),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        sqnr_db=float(10 * np.log10(max(float((reference.astype(np.float64) ** 2).mean()), 1e-20) / noise)),
    )
