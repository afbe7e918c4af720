"""What is known of a model's input and output: shape, type, and which real numbers the stored ones stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.inference.manifest_parts import TensorSpec


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Shape, type and quantisation of a model's input or output: real = scale * (stored - zero_point)."""

    name: str
    shape: tuple[int, ...]
    """With the batch axis first."""
    dtype: np.dtype[Any]
    scale: float
    """1 where the tensor is not quantised."""
    zero_point: int

    def differences(self, spec: TensorSpec) -> list[str]:
        """What differs from the manifest's description, one phrase each; empty if nothing does."""
        found = []
        if self.shape != spec.shape:
            found.append(f"shape {list(self.shape)} where the manifest says {list(spec.shape)}")
        if self.dtype != np.dtype(spec.dtype):
            found.append(f"dtype {self.dtype} where the manifest says {spec.dtype}")
        # The file holds float32, the manifest's text may have been rounded: seven digits must agree.
        if not math.isclose(self.scale, spec.scale, rel_tol=1e-6):
            found.append(f"scale {self.scale:.9g} where the manifest says {spec.scale:.9g}")
        if self.zero_point != spec.zero_point:
            found.append(f"zero point {self.zero_point} where the manifest says {spec.zero_point}")
        return found


def dequantise(stored: npt.NDArray[Any], info: TensorInfo) -> npt.NDArray[np.float32]:
    """The real numbers that a tensor's stored numbers stand for; float tensors pass through.

    Returns
    -------
    float32, of the shape of `stored`
    """
    if info.dtype.kind == "f":
        return stored.astype(np.float32)
    real: npt.NDArray[np.float32] = (stored.astype(np.float32) - np.float32(info.zero_point)) * np.float32(info.scale)
    return real


def tensor_info(details: dict[str, Any]) -> TensorInfo:
    """What `Interpreter.get_input_details` and `get_output_details` say of a tensor."""
    scale, zero_point = details["quantization"]
    return TensorInfo(
        name=str(details["name"]),
        shape=tuple(int(side) for side in details["shape"]),
        dtype=np.dtype(details["dtype"]),
        # The runtimes report a scale of 0 for tensors that are not quantised.
        scale=float(scale) or 1.0,
        zero_point=int(zero_point),
    )
