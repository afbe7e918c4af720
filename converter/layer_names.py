"""Which layers of a model the operators of a .tflite file come from.

TFLite names a tensor by the operations that it was made from, joined by ';' where several were fused, each as a path
with the layer's name in it; fake quantisation puts 'quant_' before that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import MissingDependencyError, ModelError

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "CONV_3D", "CONV_3D_TRANSPOSE", "FULLY_CONNECTED")
"""Operators whose second input is a kernel; other constants may be shared by layers that have nothing in common."""
_QUANTIZED_PREFIX = "quant_"
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
"""Operators that only change the form of numbers."""


@dataclass(frozen=True)
class Operator:
    """One operator of a file."""

    kind: str
    """TFLite's name."""
    output: int
    """Index of its (first) output tensor."""
    name: str
    """Of that tensor."""
    dtype: np.dtype[Any]
    """Of that tensor."""
    layers: tuple[str, ...]
    """Those that it computes, in the model's order: several where TFLite fused them. Where no layer is known, the
    path in the tensor's name."""


def of_model(model: Any | None) -> tuple[str, ...]:
    """The names of a tf_keras.Model's layers, in its order, those of models inside it in their place.

    Fake quantisation is looked through. Left out are reshapes of the whole batch (see `flat`) and batch normalisation
    behind a convolution or a dense layer, which TFLite folds into it and may or may not name. Where there is no model
    there are no names.
    """
    names: list[str] = []
    for outer in model.layers if model is not None else ():
        layer = _unwrapped(outer)
        if hasattr(layer, "layers"):
            names.extend(of_model(layer))
        elif not (
            type(layer).__name__ in ("InputLayer", "QuantizeLayer")
            or getattr(layer, "kind", "") == "reshape"
            or (type(layer).__name__ == "BatchNormalization" and _behind_kernel(outer))
        ):
            names.append(layer.name)
    return tuple(names)


def _unwrapped(layer: Any) -> Any:
    return layer.layer if type(layer).__name__ == "QuantizeWrapperV2" else layer


def _behind_kernel(layer: Any) -> bool:
    before = layer.inbound_nodes[0].inbound_layers if layer.inbound_nodes else []
    return not isinstance(before, list) and any(word in type(_unwrapped(before)).__name__ for word in ("Conv", "Dense"))


def interpreter(content: bytes, where: str) -> Any:
    """LiteRT without its delegates, which would hide operators and tensors, and with all tensors kept.

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
        raise MissingDependencyError("ai-edge-litert", "convert", "looking into a model's layers") from None
    try:
        loaded = LiteRT(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        loaded.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{where}: LiteRT cannot load it: {error}") from error
    return loaded


def operators(loaded: Any, layers: Sequence[str]) -> list[Operator]:
    """The operators of a file, in the order in which they run.

    Parameters
    ----------
    loaded
        From `interpreter`.
    layers
        The names of the model's layers, in its order; empty where only a function is known.
    """
    tensors = {tensor["index"]: tensor for tensor in loaded.get_tensor_details()}
    steps = loaded._get_ops_details()
    computed = {index for step in steps for index in step["outputs"]} | {
        tensor["index"] for tensor in loaded.get_input_details()
    }
    order = {name: index for index, name in enumerate(layers)}
    last = {tensor["index"] for tensor in loaded.get_output_details()}
    found = []
    for step in steps:
        output = tensors[step["outputs"][0]]
        # The file's output has lost its name, and a fused operator may have part of it: its weights keep theirs.
        kernels = [index for index in step["inputs"][1:2] if index in tensors and index not in computed]
        weighted = str(step["op_name"]) in _WEIGHTED
        named = _layers([output["name"], *(tensors[index]["name"] for index in kernels if weighted)], order)
        if not named and layers and step["outputs"][0] in last:
            named = (layers[-1],)
        found.append(
            Operator(
                kind=str(step["op_name"]),
                output=int(output["index"]),
                name=str(output["name"]),
                dtype=np.dtype(output["dtype"]),
                layers=named or (_path(str(output["name"])),),
            )
        )
    return found


def _layers(names: Sequence[str], order: dict[str, int]) -> tuple[str, ...]:
    found: set[str] = set()
    for name in names:
        for part in name.split(";"):
            for piece in part.split("/"):
                plain = piece.removeprefix(_QUANTIZED_PREFIX)
                layer = piece if piece in order else plain
                if layer in order:
                    found.add(layer)
                    break
    return tuple(sorted(found, key=order.__getitem__))


def _path(name: str) -> str:
    """What stands for a layer where none is known: the scope in which the last fused operation stood."""
    first = name.split(";")[-1]
    return first.rpartition("/")[0] or first
