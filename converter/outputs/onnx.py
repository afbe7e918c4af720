"""A .tflite file as ONNX with QuantizeLinear and DequantizeLinear nodes (QDQ), for ONNX Runtime and TensorRT.

The graph comes from tf2onnx and is put into a form that does not depend on what was converted before: input and output
are called 'input' and 'output' and store the same numbers as the .tflite file's, so that one manifest fits both.
TensorRT asks for more, see `converter.outputs.tensorrt`.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from converter import environment
from converter.tflite_file import Graph, read
from edge.errors import MissingDependencyError, ModelError
from edge.inference.manifest import file_sha256

OPSET = 17
"""TensorRT 8.6, the one of JetPack 5, reads opsets up to 17."""

INPUT, OUTPUT = "input", "output"

SOURCE_KEY = "tflite_sha256"
"""In the file's metadata: the SHA-256 of the .tflite file that it was made from."""


def from_tflite(model: Path) -> Any:
    """Turn a .tflite file into an ONNX graph, for `to_bytes`.

    Parameters
    ----------
    model
        The .tflite file, of method int8, float32 or float16.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ModelError
        The file is missing or damaged, or of a method that ONNX's opset 17 has no form for.
    MissingDependencyError
        tf2onnx or onnx is not installed.
    """
    import_packages()
    _require_a_form(model, read(model))
    proto = _convert(model)
    if len(proto.graph.input) != 1 or len(proto.graph.output) != 1:
        raise ModelError(
            f"{model}: has {len(proto.graph.input)} inputs and {len(proto.graph.output)} outputs; one of each is needed"
        )
    _tidy(proto)
    return proto


def to_bytes(graph: Any, model: Path, *, symmetric: bool = False) -> bytes:
    """The content of the .onnx file.

    Parameters
    ----------
    graph
        From `from_tflite`; it is not changed.
    model
        The .tflite file, for messages and for its sha256.
    symmetric
        For TensorRT: all zero points are 0. Where an activation had another one its scale grows (after a ReLU to twice
        as much), so the results are those of a coarser quantisation, not the .tflite file's.

    Raises
    ------
    ModelError
        The graph is not valid ONNX, or has no symmetric form.
    """
    from converter.outputs import tensorrt

    proto = type(graph)()
    proto.CopyFrom(graph)
    if symmetric:
        try:
            tensorrt.make_symmetric(proto)
        except ModelError as error:
            raise ModelError(f"{model}: {error}") from None
    _name(proto)
    _check(model, proto, symmetric=symmetric)
    proto.metadata_props.add(key=SOURCE_KEY, value=file_sha256(model))
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def import_packages() -> None:
    """Raise MissingDependencyError unless tf2onnx and onnx are installed."""
    environment.prepare()
    with environment.quiet():
        for module in ("onnx", "tf2onnx"):
            try:
                __import__(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
                raise MissingDependencyError(module, "onnx", "writing ONNX") from None


def _require_a_form(model: Path, graph: Graph) -> None:
    dtypes = {tensor.dtype for operator in graph.operators for tensor in (*operator.inputs, *operator.outputs)}
    if "int16" in dtypes:
        raise ModelError(
            f"{model}: stores 16-bit numbers, which ONNX's opset {OPSET} cannot quantise to; convert with --method int8"
        )
    for operator in graph.operators:
        if operator.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        if (operator.inputs[0].dtype, operator.inputs[1].dtype) == ("float32", "int8"):
            raise ModelError(
                f"{model}: {operator.name} quantises its input while it runs (method dynamic), which ONNX has no QDQ "
                "form for; convert with --method int8 or float32"
            )


def _convert(model: Path) -> Any:
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        with environment.quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's interpreter says that it is deprecated
            proto, _ = tf2onnx.convert.from_tflite(str(model), opset=OPSET)
    except Exception as error:  # tf2onnx raises whatever its handlers meet
        raise ModelError(f"{model}: tf2onnx cannot turn it into ONNX: {error}") from error
    foreign = Counter(node.op_type for node in proto.graph.node if node.domain not in ("", "ai.onnx"))
    foreign += Counter(node.op_type for node in proto.graph.node if node.op_type.startswith("TFL_"))
    if foreign:
        raise ModelError(f"{model}: has operators that ONNX has no form for: {', '.join(sorted(foreign))}")
    return proto


def _tidy(proto: Any) -> None:
    """Order the nodes, give each constants of its own, and keep only the opset that is used.

    tf2onnx lets nodes share a scale or a zero point. ONNX Runtime's exact mode for x86 processors without VNNI
    ('session.x64quantprecision') then stops with "Attempt to replace the existing tensor".
    """
    from onnx import numpy_helper

    graph = proto.graph
    _sort(graph)
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    del graph.initializer[:]
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in constants:
                node.input[place] = f"constant {len(graph.initializer)}"
                graph.initializer.append(numpy_helper.from_array(constants[name], node.input[place]))
    kept = [each for each in proto.opset_import if each.domain in ("", "ai.onnx")]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)


def _sort(graph: Any) -> None:
    """Put the nodes in the order in which the output needs them, each node's first input first.

    tf2onnx's own order follows its names, whose numbers run on through the process.
    """
    maker = {name: place for place, node in enumerate(graph.node) for name in node.output}
    order: dict[int, None] = {}
    waiting = [maker[each.name] for each in reversed(graph.output)]
    while waiting:
        place = waiting[-1]
        needed = [maker[name] for name in graph.node[place].input if name in maker and maker[name] not in order]
        if needed:
            waiting.extend(reversed(needed))
        else:
            order[waiting.pop()] = None
    nodes = [graph.node[place] for place in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _name(proto: Any) -> None:
    """Name every node by its kind and number, and every tensor by the node that makes it.

    tf2onnx numbers what it adds by a counter that runs on through the process.
    """
    graph = proto.graph
    names = {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    numbers: Counter[str] = Counter()
    for node in graph.node:
        numbers[node.op_type] += 1
        node.name = f"{node.op_type}_{numbers[node.op_type]}"
        for place, name in enumerate(node.output):
            names.setdefault(name, node.name if place == 0 else f"{node.name}_{place}")
    for place, each in enumerate(graph.initializer):
        names[each.name] = f"constant_{place}"
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for each in (*graph.initializer, graph.input[0], graph.output[0]):
        each.name = names[each.name]
    del graph.value_info[:]


def _check(model: Path, proto: Any, *, symmetric: bool) -> None:
    import onnx

    from converter.outputs import tensorrt

    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            f"{model}: tf2onnx made an ONNX graph that is not valid: {' '.join(str(error).split())}"
        ) from error
    if symmetric and (found := tensorrt.objections(proto)):
        raise ModelError(f"{model}: TensorRT would refuse: {'; '.join(found)}")
