"""The form of QDQ that TensorRT reads.

Its ONNX parser refuses zero points other than 0 ("TRT only supports symmetric quantization - zeroPt must be all zeros",
NVIDIA/TensorRT issue 2774) and a DequantizeLinear of an int32 bias ("only activation types allowed as input to this
layer", onnxruntime issue 14229). TFLite has both in every int8 file: activations fill -128 to 127 whatever their range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import ModelError

LOW, HIGH = -128, 127

_MOVING = frozenset(("Concat", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"))
"""Operators that tf2onnx runs on stored numbers as well: they move them about and change none."""


def make_symmetric(proto: Any) -> None:
    """Rewrite a QDQ graph so that all zero points are 0 and biases are float.

    An activation of scale s and zero point z, whose numbers stand for s * (-128 - z) to s * (127 - z), gets the
    smallest scale with which -127 to 127 hold both ends. The graph's own input and output keep their numbers: the zero
    point is added and taken off in float.

    Parameters
    ----------
    proto
        onnx.ModelProto whose nodes have constants of their own (`converter.outputs.onnx` sees to that). Changed in
        place.
    """
    constants = _constants(proto)
    _quantise_constants_anew(proto, constants)
    _float_biases(proto, constants)
    _shift_input(proto, constants)
    _shift_output(proto, constants)
    for node in proto.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            scale, zero = constants[node.input[1]], constants[node.input[2]]
            if np.any(zero):
                constants[node.input[1]] = np.asarray(_symmetric_scale(scale, zero), np.float32)
                constants[node.input[2]] = np.zeros_like(zero)
    _put_back(proto, constants)


def objections(proto: Any) -> list[str]:
    """What TensorRT's parser would refuse of the quantisation, one phrase each; empty if nothing."""
    constants = _constants(proto)
    found = []
    for node in proto.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if any(name not in constants for name in node.input[1:]):
            found.append(f"{node.name}: its scale or zero point is no constant")
        elif np.any(constants[node.input[2]]):
            found.append(f"{node.name}: zero point {constants[node.input[2]].max()}")
        elif constants[node.input[2]].dtype != np.int8:
            found.append(f"{node.name}: {constants[node.input[2]].dtype} numbers")
    return found


def _symmetric_scale(scale: npt.NDArray[Any], zero: npt.NDArray[Any]) -> npt.NDArray[Any]:
    farthest = np.maximum(np.abs(LOW - zero.astype(np.int64)), np.abs(HIGH - zero.astype(np.int64)))
    anew: npt.NDArray[Any] = scale.astype(np.float64) * farthest / HIGH
    return anew


def _float_biases(proto: Any, constants: dict[str, npt.NDArray[Any]]) -> None:
    """Put the real numbers in the place of each dequantised int32 constant."""
    for node in list(proto.graph.node):
        stored = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if stored is not None and stored.dtype == np.int32:
            # One scale for each of its numbers, or one for all.
            real = stored.astype(np.float64) * constants[node.input[1]].astype(np.float64)
            constants[node.output[0]] = real.astype(np.float32)
            proto.graph.node.remove(node)


def _quantise_constants_anew(proto: Any, constants: dict[str, npt.NDArray[Any]]) -> None:
    """Store int8 constants with a zero point, such as tables of vectors, by the symmetric scale that they will have."""
    readers = _readers(proto)
    for name in [name for name, stored in constants.items() if stored.dtype == np.int8 and stored.size > 1]:
        reader = _dequantiser(name, readers)
        if reader is None:
            continue
        scale, zero = constants[reader.input[1]], constants[reader.input[2]]
        if np.any(zero) and zero.ndim == 0:
            real = (constants[name].astype(np.float64) - int(zero)) * float(scale)
            anew = np.rint(real / float(_symmetric_scale(scale, zero)))
            constants[name] = np.clip(anew, LOW, HIGH).astype(np.int8)


def _dequantiser(name: str, readers: dict[str, list[Any]]) -> Any | None:
    """The DequantizeLinear that reads a constant, at once or behind operators that only move its numbers about."""
    while len(found := readers.get(name, [])) >= 1:
        node = found[0]
        if node.op_type == "DequantizeLinear":
            return node if node.input[0] == name else None
        if node.op_type not in _MOVING or (node.op_type == "Gather" and node.input[0] != name):
            return None
        name = node.output[0]
    return None


def _shift_input(proto: Any, constants: dict[str, npt.NDArray[Any]]) -> None:
    """Quantise the graph's input anew, by a symmetric scale, before anything reads it.

    s * (q - z) = s * q - s * z: the zero point is taken off in float.
    """
    from onnx import helper

    entry = proto.graph.input[0].name
    readers = _readers(proto)
    reader = _dequantiser(entry, readers)
    if reader is None or not np.any(constants[reader.input[2]]):
        return  # numbers to look up, real ones, or none to shift
    scale, zero = constants[reader.input[1]], constants[reader.input[2]]
    for node in readers[entry]:
        node.input[:] = ["shifted input" if name == entry else name for name in node.input]
    constants["input shift"] = np.asarray(-np.float64(scale) * np.float64(zero), np.float32)
    anew = _pair(constants, "shifted input", _symmetric_scale(scale, zero))
    nodes = [
        helper.make_node("DequantizeLinear", [entry, *_pair(constants, "input", scale)], ["input as it is"]),
        helper.make_node("Add", ["input as it is", "input shift"], ["real input"]),
        helper.make_node("QuantizeLinear", ["real input", *anew], ["shifted input"]),
    ]
    _replace_nodes(proto, [*nodes, *proto.graph.node])


def _shift_output(proto: Any, constants: dict[str, npt.NDArray[Any]]) -> None:
    """Let the graph's output have the numbers that it had with its zero point.

    round(y / s) + z = round((y + s * z) / s): the zero point is added in float, before each QuantizeLinear that the
    output comes from.
    """
    from onnx import helper

    end = proto.graph.output[0].name
    makers, readers = {name: node for node in proto.graph.node for name in node.output}, _readers(proto)
    last: list[Any] = []
    waiting, path = [end], set()
    while waiting:
        name = waiting.pop()
        path.add(name)
        node = makers.get(name)
        if node is None or node.op_type not in ("QuantizeLinear", *_MOVING):
            return  # a float output, or numbers that were looked up
        if node.op_type == "QuantizeLinear":
            last.append(node)
        else:
            waiting += [each for each in node.input if each in makers]
    if not any(np.any(constants[node.input[2]]) for node in last):
        return
    if any(not path & set(reader.output) for name in path for reader in readers.get(name, [])):
        raise ModelError("its output is also read inside the graph, which the form for TensorRT has no way to keep")
    adds: dict[str, Any] = {}
    for place, node in enumerate(last):
        scale, zero = constants[node.input[1]], constants[node.input[2]]
        constants[f"output shift {place}"] = np.asarray(np.float64(scale) * np.float64(zero), np.float32)
        constants[node.input[2]] = np.zeros_like(zero)
        adds[node.output[0]] = helper.make_node(
            "Add", [node.input[0], f"output shift {place}"], [f"shifted output {place}"]
        )
        node.input[0] = f"shifted output {place}"
    nodes = [each for node in proto.graph.node for each in (adds.get(node.output[0]), node) if each is not None]
    _replace_nodes(proto, nodes)


def _pair(constants: dict[str, npt.NDArray[Any]], name: str, scale: npt.NDArray[Any]) -> tuple[str, str]:
    """Names of a new scale and of a zero point of 0."""
    constants[f"{name} scale"] = np.asarray(scale, np.float32)
    constants[f"{name} zero"] = np.zeros((), np.int8)
    return f"{name} scale", f"{name} zero"


def _replace_nodes(proto: Any, nodes: list[Any]) -> None:
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _readers(proto: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for node in proto.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _constants(proto: Any) -> dict[str, npt.NDArray[Any]]:
    from onnx import numpy_helper

    return {each.name: numpy_helper.to_array(each) for each in proto.graph.initializer}


def _put_back(proto: Any, constants: dict[str, npt.NDArray[Any]]) -> None:
    from onnx import numpy_helper

    used = {name for node in proto.graph.node for name in node.input}
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(
        numpy_helper.from_array(stored, name) for name, stored in constants.items() if name in used
    )
