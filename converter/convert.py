"""The last steps of every conversion: verify a file against its float model, measure it, write it with its manifest."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converter import cost, export, verify
from converter.package import write_package
from edge.inference.manifest import Task

Method = Literal["int8", "qat", "float32"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Report:
    """What came of a conversion."""

    model: Path
    """The .tflite file; its manifest lies beside it."""
    method: Method
    size_bytes: int
    float_size_bytes: int
    """Of the same model as float32 .tflite."""
    operators: dict[str, int]
    floating: tuple[str, ...]
    """Operators that work in float."""
    agreement: verify.Agreement
    milliseconds: float
    """Median of one inference, one thread, on this machine."""
    float_milliseconds: float
    parameters: int
    multiply_adds: int

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "model": str(self.model), "agreement": self.agreement.as_dict()}


def verify_and_write(
    model: Any,
    content: bytes,
    samples: FloatArray,
    folder: Path,
    *,
    method: Method,
    name: str,
    task: Task,
    labels: Sequence[str],
    version: str,
    pixel_range: tuple[float, float] = (0.0, 1.0),
    quantization: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    limits: str = "",
    progress: bool = True,
) -> Report:
    """Check and measure a converted model, then write it and its manifest.

    Nothing is written into `folder` unless the checks pass.

    Parameters
    ----------
    model
        The float tf_keras.Model that `content` was made from; for QAT the one before fine-tuning.
    content
        From `converter.export`.
    samples
        (n, height, width, channels) real numbers to compare the outputs on.
    quantization
        What else the manifest should say of the method: the calibration set's size, epochs, seed.

    Raises
    ------
    ModelError
        The file is not int8 throughout (methods int8 and qat), or cannot be loaded or written.
    DataError
        The samples do not fit the model.
    """
    export.check_input(samples, model, pixel_range)
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        converted, floating = Path(scratch) / f"{name}.tflite", Path(scratch) / f"{name}-float32.tflite"
        converted.write_bytes(content)
        floating.write_bytes(export.float32(model))
        operators = verify.operators(converted) if method == "float32" else verify.require_int8(converted)
        reference = model.predict(samples, batch_size=256, verbose=0)
        agreement = verify.agreement(reference, verify.logits(converted, samples, progress=progress))
        times = verify.milliseconds({"float32": floating, "converted": converted})
        float_size = floating.stat().st_size
    path = write_package(
        content,
        folder,
        name=name,
        task=task,
        labels=labels,
        version=version,
        quantization={"method": method, **(quantization or {}), "agreement": agreement.as_dict()},
        parameters=cost.parameters(model),
        multiply_adds=cost.multiply_adds(model),
        pixel_range=pixel_range,
        training=training,
        limits=limits,
    )
    return Report(
        model=path,
        method=method,
        size_bytes=len(content),
        float_size_bytes=float_size,
        operators=operators.counts,
        floating=operators.floating,
        agreement=agreement,
        milliseconds=times["converted"],
        float_milliseconds=times["float32"],
        parameters=cost.parameters(model),
        multiply_adds=cost.multiply_adds(model),
    )
