"""What stands in a .tflite file: its operators, in the order in which they run, with their options and tensors.

Read from the flatbuffer itself, without an interpreter: interpreters do not tell an operator's options.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edge.errors import MissingDependencyError, ModelError


@dataclass(frozen=True)
class Tensor:
    """One tensor of the graph."""

    index: int
    """As interpreters number it."""
    name: str
    shape: tuple[int, ...]
    dtype: str
    """TFLite's name in small letters, such as 'int8'."""
    constant: bool
    """Its numbers stand in the file."""
    fixed: bool
    """No side is open until the model runs."""
    zero: bool = False
    """A constant that is zero throughout, in real numbers."""
    numbers: tuple[int, ...] = ()
    """Of a short int32 constant, such as the axes that an operator works along."""

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return math.prod(self.shape) * _BYTES.get(self.dtype, 4)


@dataclass(frozen=True)
class Operator:
    """One operator."""

    index: int
    """Its place in the order in which they run."""
    name: str
    """TFLite's, such as 'CONV_2D'; of a custom operator its own."""
    custom: bool
    inputs: tuple[Tensor, ...]
    """Without optional ones that are left out."""
    outputs: tuple[Tensor, ...]
    options: Mapping[str, Any]
    """As the flatbuffer calls them, such as 'strideW' and 'fusedActivationFunction'."""

    @property
    def activation(self) -> str:
        """The name of the activation that is fused into it, 'NONE' for none."""
        return _name_of("ActivationFunctionType", int(self.options.get("fusedActivationFunction") or 0))


@dataclass(frozen=True)
class Graph:
    """The main graph of a file."""

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    subgraphs: int
    """1 but for a model with control flow."""


_SHORT = 16
"""Numbers of the longest int32 constant that is kept; longer ones are biases, which nobody asks for."""

_BYTES = {"float64": 8, "int64": 8, "uint64": 8, "float16": 2, "int16": 2, "uint16": 2}
_BYTES |= {"int8": 1, "uint8": 1, "bool": 1, "int4": 1}


def read(path: Path) -> Graph:
    """Read a .tflite file.

    Raises
    ------
    ModelError
        The file is missing, or no TensorFlow Lite model.
    MissingDependencyError
        LiteRT, which carries the format's schema, is not installed.
    """
    schema = _schema()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if content[4:8] != b"TFL3":
        raise ModelError(f"{path}: is no TensorFlow Lite model (no TFL3 mark); truncated or another kind of file?")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return _graph(model)
    except Exception as error:  # the generated reader raises whatever the bytes make of it, struct.error among them
        raise ModelError(f"{path}: its flatbuffer cannot be read: {error}; truncated or damaged?") from error


def _graph(model: Any) -> Graph:
    main = model.subgraphs[0]
    tensors = [_tensor(index, each, model.buffers) for index, each in enumerate(main.tensors)]
    operators = []
    for index, each in enumerate(main.operators):
        code = model.operatorCodes[each.opcodeIndex]
        # Files written before the 128th operator existed carry the number in the deprecated field alone.
        number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
        custom = code.customCode is not None
        options = each.builtinOptions if each.builtinOptions is not None else each.builtinOptions2
        operators.append(
            Operator(
                index=index,
                name=code.customCode.decode() if custom else _name_of("BuiltinOperator", number),
                custom=custom,
                inputs=_pick(tensors, each.inputs),
                outputs=_pick(tensors, each.outputs),
                options=MappingProxyType(dict(vars(options)) if options is not None else {}),
            )
        )
    return Graph(
        tuple(operators), _pick(tensors, main.inputs), _pick(tensors, main.outputs), subgraphs=len(model.subgraphs)
    )


def _pick(tensors: list[Tensor], indices: Any) -> tuple[Tensor, ...]:
    return () if indices is None else tuple(tensors[index] for index in indices if index >= 0)


def _tensor(index: int, tensor: Any, buffers: Any) -> Tensor:
    data = buffers[tensor.buffer].data if tensor.buffer else None
    signature = tensor.shapeSignature
    dtype = _name_of("TensorType", tensor.type).lower()
    shape = () if tensor.shape is None else tuple(int(side) for side in tensor.shape)
    return Tensor(
        index=index,
        name=tensor.name.decode() if tensor.name else "",
        shape=shape,
        dtype=dtype,
        constant=data is not None and len(data) > 0,
        fixed=signature is None or all(side >= 0 for side in signature),
        zero=_is_zero(data, tensor, dtype),
        numbers=_numbers(data, dtype),
    )


def _numbers(data: Any, dtype: str) -> tuple[int, ...]:
    if data is None or dtype != "int32" or len(data) > 4 * _SHORT:
        return ()
    return tuple(np.asarray(data, np.uint8).view(np.int32).tolist())


def _is_zero(data: Any, tensor: Any, dtype: str) -> bool:
    if data is None or len(data) == 0:
        return False
    points = tensor.quantization.zeroPoint if tensor.quantization is not None else None
    zero = int(points[0]) if points is not None and len(points) else 0
    if dtype not in ("int8", "uint8"):
        return not np.any(data)
    stored = np.asarray(data, np.uint8).view(dtype)
    return bool(np.all(stored == zero))


def _name_of(enumeration: str, number: int) -> str:
    return _names(enumeration).get(number, str(number))


@cache
def _names(enumeration: str) -> dict[int, str]:
    return {value: name for name, value in vars(getattr(_schema(), enumeration)).items() if not name.startswith("_")}


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ModuleNotFoundError:
        raise MissingDependencyError("ai-edge-litert", "convert", "reading a model's operators") from None
    return schema_py_generated
