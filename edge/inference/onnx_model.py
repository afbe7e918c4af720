"""A model through ONNX Runtime: TensorRT, CUDA or the CPU compute the NAME.onnx that was made from NAME.tflite.

The .onnx takes and gives the same stored numbers as the .tflite. TensorRT reads only symmetric quantisation: it has a
file of its own, NAME.tensorrt.onnx, whose steps are coarser. What TensorRT refuses ONNX Runtime hands to CUDA, and what
that refuses to the CPU, without a word; whether it pays is for `accelerator` to measure.
"""

from __future__ import annotations

import importlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"

SOURCE_KEY: Final = "tflite_sha256"
"""In a file's metadata: the SHA-256 of the .tflite file that it was made from."""

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")
"""Under which names it is published; NVIDIA's wheels for Jetsons have the second."""

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
"""Where ONNX's name of a type is not NumPy's."""


def onnx_path(model: Path, provider: str = CPU) -> Path:
    """The ONNX file of a .tflite file that a provider takes: beside it, with the suffix .onnx.

    For TensorRT that with the suffix .tensorrt.onnx, where there is one: float models need none.
    """
    own = model.with_suffix(".tensorrt.onnx")
    return own if provider == TENSORRT and own.is_file() else model.with_suffix(".onnx")


def runtime_version() -> str | None:
    """The installed ONNX Runtime's version, read without importing it; None where it is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    for distribution in _DISTRIBUTIONS:
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"


def available_providers() -> list[str]:
    """What the installed ONNX Runtime was built to compute with; `RuntimeError` where it is missing or broken."""
    try:
        # The package's own list, which neither starts CUDA nor looks for a GPU.
        names: list[str] = importlib.import_module("onnxruntime").get_available_providers()
    except ModuleNotFoundError:
        raise RuntimeError("ONNX Runtime is not installed: pip install 'affect-edge[jetson]'") from None
    except (ImportError, AttributeError, SystemError, OSError) as error:
        raise RuntimeError(f"ONNX Runtime is installed but fails: {' '.join(str(error).split())}") from error
    return names


class OnnxModel:
    """A model that ONNX Runtime computes.

    Parameters
    ----------
    path
        The .onnx file; one input, one output.
    provider
        What computes: `CPU`, `CUDA` or `TENSORRT`.
    threads
        Of what the CPU computes.
    source
        SHA-256 of the .tflite file that it must have been made from, if it says so; None takes any.
    engines
        Folder in which TensorRT keeps the engines that it builds, which takes minutes on a small board; None builds
        them anew each time.

    Raises
    ------
    RuntimeError
        The file cannot be loaded or was made from another model, or the provider does not work here.
    """

    def __init__(
        self, path: Path, *, provider: str, threads: int = 1, source: str | None = None, engines: Path | None = None
    ) -> None:
        available = available_providers()
        if provider not in available:
            raise RuntimeError(
                f"ONNX Runtime {runtime_version()} was built without {provider}: install the onnxruntime-gpu that is "
                "made for this board's CUDA"
            )
        runtime = importlib.import_module("onnxruntime")
        runtime.set_default_logger_severity(3)  # errors
        try:
            model = path.read_bytes()
            self._session = self._open(runtime, model, provider, threads, engines)
            (self._input,), (output,) = self._session.get_inputs(), self._session.get_outputs()
        except OSError as error:
            raise RuntimeError(f"{path}: cannot be read: {error.strerror}") from None
        except Exception as error:  # ONNX Runtime's own errors are made in C++, and derive from nothing narrower
            raise RuntimeError(f"{path}: ONNX Runtime cannot load it: {' '.join(str(error).split())}") from error
        made_from = self._session.get_modelmeta().custom_metadata_map.get(SOURCE_KEY)
        if source and made_from and made_from != source:
            raise RuntimeError(f"{path.name} was made from another {path.name.split('.')[0]}.tflite: convert it again")
        self._output: str = output.name
        used = self._session.get_providers()[0]
        if used != provider:
            # It only prints why: a library that is missing, a driver that is too old.
            raise RuntimeError(
                f"{provider} does not start here (ONNX Runtime took {used}): see its libraries and driver"
            )
        self.shape: tuple[int, ...] = tuple(self._input.shape)
        """Of the input."""
        self.dtype: np.dtype[Any] = _dtype(self._input.type)
        """Of the input."""

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the model once; a new array."""
        try:
            output: npt.NDArray[Any] = self._session.run([self._output], {self._input.name: x})[0]
        except Exception as error:  # see above
            raise RuntimeError(f"ONNX Runtime: {' '.join(str(error).split())}") from error
        return output

    def _open(self, runtime: Any, model: bytes, provider: str, threads: int, engines: Path | None) -> Any:
        providers: list[Any] = {CPU: [CPU], CUDA: [CUDA, CPU], TENSORRT: [TENSORRT, CUDA, CPU]}[provider]
        if provider == TENSORRT:
            settings: dict[str, Any] = {"trt_fp16_enable": True, "trt_int8_enable": _is_quantised(model)}
            if engines is not None:
                settings |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(engines)}
            providers[0] = (TENSORRT, settings)
        try:
            options = _options(runtime, threads, exact=True)
            session = runtime.InferenceSession(model, sess_options=options, providers=providers)
        except Exception:  # see above
            # The exact mode refuses weights that several nodes share, as those of unrolled layers.
            options = _options(runtime, threads, exact=False)
            session = runtime.InferenceSession(model, sess_options=options, providers=providers)
        # Otherwise a failing run would be tried again with other providers, with no sign of it.
        session.disable_fallback()
        return session


def _options(runtime: Any, threads: int, *, exact: bool) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads that spin would take a small board's other cores from the camera.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if exact:
        # Else int8 sums saturate on x86 processors without VNNI, and answers go astray.
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 4  # what cannot be loaded is told by the exception
    return options


def _is_quantised(model: bytes) -> bool:
    """TensorRT must be allowed int8 for a file with Q and DQ nodes, and cannot build a float one when it is."""
    return b"DequantizeLinear" in model


def _dtype(name: str) -> np.dtype[Any]:
    """The NumPy type of what ONNX calls 'tensor(int8)'."""
    return np.dtype(_DTYPES.get(name, name.removeprefix("tensor(").removesuffix(")")))
