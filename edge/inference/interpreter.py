"""One interface to the TensorFlow Lite interpreters: LiteRT, tflite-runtime and TensorFlow.

All three read the same files and give equal int8 results; what differs is where they can be installed and how fast they
are. LiteRT goes first; TensorFlow is named only as a string, so that nothing here imports it unless it is all there is.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edge.errors import ModelError
from edge.inference import Accelerator
from edge.inference.manifest import Manifest, Task, TextInput, verify_model
from edge.inference.tensors import TensorInfo, dequantise, tensor_info

__all__ = [
    "Interpreter",
    "RuntimeInfo",
    "RuntimeName",
    "TensorInfo",
    "available_runtimes",
    "dequantise",
    "load_interpreter",
    "load_model",
]

log = logging.getLogger(__name__)

RuntimeName = Literal["auto", "litert", "tflite-runtime", "tensorflow"]

_FILE_IDENTIFIER = b"TFL3"
"""What stands in bytes 4 to 7 of every TensorFlow Lite flatbuffer."""


@dataclass(frozen=True, slots=True)
class _Package:
    """Where one runtime's `Interpreter` class is found."""

    runtime: str
    distribution: str
    module: str

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]

    @property
    def version(self) -> str | None:
        """The installed version, read without importing; None where pip does not know the package."""
        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None

    def interpreter_class(self) -> Any:
        module = importlib.import_module(self.module)
        # TensorFlow loads `lite` as an attribute on demand; it is no module that can be imported by its dotted name.
        return module.lite.Interpreter if self.runtime == "tensorflow" else module.Interpreter


_PACKAGES = (
    _Package("litert", "ai-edge-litert", "ai_edge_litert.interpreter"),
    _Package("tflite-runtime", "tflite-runtime", "tflite_runtime.interpreter"),
    _Package("tensorflow", "tensorflow", "tensorflow"),
)

# What a native module built for another NumPy or C library raises when it is imported.
_IMPORT_FAILURES = (ImportError, AttributeError, SystemError, OSError)


@dataclass(frozen=True, slots=True)
class RuntimeInfo:
    """One TensorFlow Lite runtime and whether this machine can use it."""

    name: str
    distribution: str
    """The package to install."""
    version: str | None
    """None where it is not installed."""
    error: str | None = None
    """Why it cannot be imported although it is installed."""


class Interpreter:
    """One model, loaded, with its memory allocated once. Made by `load_interpreter`.

    Not safe for use by several threads at once: each loop loads its own.

    Parameters
    ----------
    backend
        A TensorFlow Lite `Interpreter`, or what has the five methods of it that are called here.
    runtime
        Name and version.
    model
        The file.
    fallback
        Takes over, for good, when `backend` fails.
    """

    def __init__(self, backend: Any, *, runtime: str, model: Path, fallback: Interpreter | None = None) -> None:
        inputs, outputs = backend.get_input_details(), backend.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                f"{model}: has {len(inputs)} inputs and {len(outputs)} outputs; models with one of each can be used"
            )
        self.model = model
        self.runtime = runtime
        """Name and version of the runtime, such as 'litert 2.1.0', and the GPU where one computes."""
        self.fallback_reason: str | None = None
        """Why the CPU computes although a GPU was asked for, or did at first; None where nothing is amiss."""
        self.input = tensor_info(inputs[0])
        self.output = tensor_info(outputs[0])
        self._backend = backend
        self._input_index: int = inputs[0]["index"]
        self._output_index: int = outputs[0]["index"]
        self._fallback = fallback

    def run(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the model once.

        Parameters
        ----------
        x
            Of exactly `input.shape` and `input.dtype`; stored numbers, not real ones, for a quantised model.

        Returns
        -------
        A new array of `output.shape` and `output.dtype`; `dequantise` makes real numbers of it.

        Raises
        ------
        ValueError
            `x` has another shape or dtype.
        ModelError
            The runtime could not compute the model.
        """
        if x.shape != self.input.shape or x.dtype != self.input.dtype:
            raise ValueError(
                f"the model takes {self.input.dtype} {list(self.input.shape)}, not {x.dtype} {list(x.shape)}"
            )
        # set_tensor and get_tensor copy in C++ and cost 0.8 us together; writing through `tensor()` views, which
        # must be made and dropped around each call, costs 1.5 us (LiteRT 2.3, a 5.2 us model, x86-64).
        try:
            self._backend.set_tensor(self._input_index, x)
            self._backend.invoke()
            output: npt.NDArray[Any] = self._backend.get_tensor(self._output_index)
        except (RuntimeError, ValueError) as error:
            if self._fallback is not None:
                return self._fall_back(_one_line(error)).run(x)
            raise ModelError(f"{self.model}: {self.runtime} could not run it: {_one_line(error)}") from error
        return output

    def computed_by(self, compute: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], runtime: str) -> Interpreter:
        """The same model, computed by something else that takes and gives the same tensors.

        Parameters
        ----------
        compute
            From an array of `input` to a new one of `output`; a `RuntimeError` says that it failed: from then on this
            interpreter computes.
        runtime
            Its name and version.
        """
        return Interpreter(_Computed(self._backend, compute), runtime=runtime, model=self.model, fallback=self)

    def _fall_back(self, reason: str) -> Interpreter:
        assert self._fallback is not None
        log.warning("%s: %s failed, %s goes on: %s", self.model, self.runtime, self._fallback.runtime, reason)
        self.fallback_reason = reason
        self.runtime, self._backend, self._fallback = self._fallback.runtime, self._fallback._backend, None
        return self


class _Computed:
    """What `Interpreter` calls, over a function; the tensors' details are those of the TensorFlow Lite interpreter."""

    def __init__(self, tensors: Any, compute: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> None:
        self.get_input_details = tensors.get_input_details
        self.get_output_details = tensors.get_output_details
        self._compute = compute

    def set_tensor(self, _: int, x: npt.NDArray[Any]) -> None:
        self._x = x

    def invoke(self) -> None:
        self._answer = self._compute(self._x)

    def get_tensor(self, _: int) -> npt.NDArray[Any]:
        return self._answer


def load_interpreter(model: Path, *, threads: int = 1, runtime: RuntimeName = "auto") -> Interpreter:
    """Load a TensorFlow Lite file into the first runtime that is installed, and allocate its memory.

    Only the file's form is checked: `load_model` also checks its hash, which is what catches every kind of damage.

    Parameters
    ----------
    model
        The .tflite file; one input and one output.
    threads
        How many threads one inference may use, 1 or more. Small models are fastest with 1.
    runtime
        'auto' takes LiteRT, else tflite-runtime, else TensorFlow; a name takes that one or fails.

    Raises
    ------
    ModelError
        The file is missing, truncated or no TensorFlow Lite model, or no runtime is installed.
    """
    if threads < 1:
        raise ValueError(f"an inference needs at least 1 thread, not {threads}")
    content = _read(model)
    package, interpreter_class = _first_usable(runtime, model)
    # The runtimes print "Created TensorFlow Lite XNNPACK delegate for CPU." on stderr once per process and give Python
    # no way to turn it off (tensorflow/tensorflow issue 58050); redirecting the process's stderr would be worse.
    try:
        # Its bytes, not its path, which the runtimes map into memory: a file that is overwritten under them then
        # answers wrongly or ends the process.
        backend = interpreter_class(model_content=content, num_threads=threads)
        backend.allocate_tensors()
    except SystemError as error:
        # tflite-runtime 2.14, the last one published, imports under NumPy 2 and fails when it is used.
        raise ModelError(
            f"{model}: {package.distribution} {package.version} does not work with NumPy {np.__version__}: "
            "pip install ai-edge-litert, or 'numpy<2'"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{model}: {package.runtime} cannot load it: {_one_line(error)}; truncated or damaged? install it again"
        ) from error
    name = f"{package.runtime} {package.version or ''}".rstrip()
    log.info("%s: loaded by %s", model, name)
    return Interpreter(backend, runtime=name, model=model)


def load_model(
    model: Path,
    *,
    task: Task | None = None,
    threads: int = 1,
    runtime: RuntimeName = "auto",
    accelerator: Accelerator = "cpu",
) -> tuple[Interpreter, Manifest]:
    """Verify a model file against its manifest, load it, and check that its tensors are those of the manifest.

    With an `accelerator` other than 'cpu' see `edge.inference.accelerator.accelerate`: where a GPU cannot compute the
    model the CPU does.

    Raises
    ------
    ModelError
        Whatever `verify_model` and `load_interpreter` raise, or tensors that differ from the manifest.
    """
    manifest = verify_model(model, task=task)
    interpreter = load_interpreter(model, threads=threads, runtime=runtime)
    differences = [f"input {difference}" for difference in interpreter.input.differences(manifest.input)]
    differences += [f"output {difference}" for difference in interpreter.output.differences(manifest.output)]
    if differences:
        raise ModelError(f"{model}: {'; '.join(differences)}; convert it again")
    if accelerator != "cpu":
        from edge.inference.accelerator import accelerate

        numbers = manifest.input.text.numbers if isinstance(manifest.input, TextInput) else 1
        interpreter = accelerate(interpreter, accelerator, sha256=manifest.sha256, threads=threads, numbers=numbers)
    return interpreter, manifest


def available_runtimes() -> list[RuntimeInfo]:
    """Every runtime that the project knows, in the order in which it tries them.

    TensorFlow is looked for, not imported: that alone takes seconds.
    """
    found = []
    for package in _PACKAGES:
        if importlib.util.find_spec(package.top) is None:
            found.append(RuntimeInfo(package.runtime, package.distribution, None))
            continue
        error = None if package.runtime == "tensorflow" else _try_import(package)[1]
        found.append(RuntimeInfo(package.runtime, package.distribution, package.version or "unknown", error))
    return found


def _first_usable(runtime: RuntimeName, model: Path) -> tuple[_Package, Any]:
    if runtime not in get_args(RuntimeName):
        raise ValueError(f"runtime '{runtime}' is none of {', '.join(get_args(RuntimeName))}")
    wanted = [package for package in _PACKAGES if runtime in ("auto", package.runtime)]
    broken = []
    for package in wanted:
        if importlib.util.find_spec(package.top) is None:
            continue
        interpreter_class, error = _try_import(package)
        if error is None:
            return package, interpreter_class
        broken.append(f"{package.distribution} is installed but fails: {error}")
    what = "no TensorFlow Lite runtime" if runtime == "auto" else f"no runtime '{runtime}'"
    mend = f"pip install {wanted[0].distribution}"
    if runtime == "auto":
        mend += ", or on a board without a wheel of it  pip install 'affect-edge[tflite-runtime]'"
    raise ModelError(f"{model}: {what} can be used ({'; '.join(broken) or 'not installed'}): {mend}")


def _try_import(package: _Package) -> tuple[Any, str | None]:
    """The runtime's class and None, or None and why it cannot be had."""
    try:
        return package.interpreter_class(), None
    except _IMPORT_FAILURES as failure:
        return None, _one_line(failure)


def _read(model: Path) -> bytes:
    """The file; what is no model is refused before a native library sees it: tflite-runtime does not check it."""
    try:
        content = model.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{model}: no such model file; `affect-edge models` lists those installed") from None
    except OSError as error:
        raise ModelError(f"{model}: cannot be read: {error.strerror}") from None
    if content[4:8] != _FILE_IDENTIFIER:
        what = "is empty" if not content else "is no TensorFlow Lite model (no TFL3 mark)"
        raise ModelError(f"{model}: {what}; truncated or another kind of file? install it again")
    return content


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
