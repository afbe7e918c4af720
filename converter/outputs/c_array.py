"""A .tflite file as a C++ array, for TensorFlow Lite Micro: no file system is needed to load it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from converter.tflite_file import Graph, Operator, Tensor, read
from converter.writing import write_whole
from edge.inference.interpreter import TensorInfo, load_interpreter

_ALIGNMENT = 16
_BYTES_A_LINE = 20


def write_c_array(model: Path, folder: Path, *, labels: Sequence[str] = ()) -> list[Path]:
    """Write NAME_model.h and NAME_model.cc.

    Parameters
    ----------
    model
        The .tflite file; NAME is its stem, with what C++ does not take in a name as '_'.
    folder
        To write into.
    labels
        Of the outputs, in their order; none for a model that names nothing.

    Returns
    -------
    The two files' paths

    Raises
    ------
    ModelError
        The file is missing or damaged, or one of the new ones cannot be written.
    """
    graph, interpreter = read(model), load_interpreter(model)
    content = model.read_bytes()
    name = f"{identifier(model.stem)}_model"
    header = _header(name, model.name, content, graph, (interpreter.input, interpreter.output), labels)
    return [
        write_whole(folder / f"{name}.h", header),
        write_whole(folder / f"{name}.cc", _source(name, model.name, content)),
    ]


def identifier(text: str) -> str:
    """A name that C++, Kotlin, Swift and Python take."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return f"m{name}" if name[:1].isdigit() else name


def arena_bytes(graph: Graph) -> int:
    """Memory that TensorFlow Lite Micro needs to run a model, roughly: what to start with.

    The activations are laid out as its greedy planner does; what its kernels keep is estimated. For the seven models
    of this project and the test's small one it is 1.01 to 1.38 times what tflite-micro's recording allocator told on a
    64-bit machine (0.dev20261023); a controller of 32 bits needs less.
    """
    persistent = _FIXED + _PER_TENSOR * len(_tensors(graph))
    for operator in graph.operators:
        persistent += _PER_OPERATOR
        if operator.name in _PER_CHANNEL:
            persistent += 8 * operator.outputs[0].shape[-1]  # a multiplier and a shift of 32 bits
        if operator.name in _TABLES:
            persistent += 256
    return _aligned(_planned(graph) + persistent)


_FIXED, _PER_TENSOR, _PER_OPERATOR = 1400, 24, 64 + 112
_PER_CHANNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_TABLES = ("LOGISTIC", "TANH")
"""What looks int8 results up in a table of 256."""


def _planned(graph: Graph) -> int:
    """Bytes for all activations: large ones first, each at the lowest place that is free while it is needed."""
    first: dict[int, int] = {tensor.index: 0 for tensor in graph.inputs}
    last: dict[int, int] = {tensor.index: len(graph.operators) for tensor in graph.outputs}
    for operator in graph.operators:
        for tensor in operator.outputs:
            first.setdefault(tensor.index, operator.index)
        for tensor in operator.inputs:
            last[tensor.index] = max(last.get(tensor.index, 0), operator.index)
    active = [tensor for tensor in _tensors(graph) if not tensor.constant and tensor.index in first]
    placed: list[tuple[int, int, Tensor]] = []
    for tensor in sorted(active, key=lambda each: (-each.bytes, first[each.index])):
        begin, end = first[tensor.index], last.get(tensor.index, first[tensor.index])
        place, size = 0, _aligned(tensor.bytes)
        for low, high, other in sorted(placed, key=lambda each: each[0]):
            apart = last.get(other.index, first[other.index]) < begin or first[other.index] > end
            if apart or high <= place:
                continue
            if low - place >= size:
                break
            place = high
        placed.append((place, place + size, tensor))
    return max((high for _, high, _ in placed), default=0)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _tensors(graph: Graph) -> list[Tensor]:
    found = {tensor.index: tensor for each in graph.operators for tensor in (*each.inputs, *each.outputs)}
    return list(found.values())


def _resolver(operators: Sequence[Operator]) -> str:
    names = dict.fromkeys(operator.name for operator in operators if not operator.custom)
    lines = [f"//   tflite::MicroMutableOpResolver<{len(names)}> resolver;"]
    lines += [f"//   resolver.Add{_camel(name)}();" for name in names]
    return "\n".join(lines)


def _camel(name: str) -> str:
    """The name of TFLite Micro's method: Conv2D for CONV_2D, Relu6 for RELU6, PadV2 for PADV2."""
    return "".join(part.capitalize() if part[0].isalpha() else part for part in name.replace("V2", "_V2").split("_"))


def _header(
    name: str,
    file: str,
    content: bytes,
    graph: Graph,
    ends: tuple[TensorInfo, TensorInfo],
    labels: Sequence[str],
) -> str:
    entry, out = ends
    guard = f"{name.upper()}_H_"
    quoted = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels)
    named = f"\nconstexpr const char* {name}_labels[] = {{{quoted}}};" if labels else ""
    return f"""// {file} as an array, for TensorFlow Lite Micro.
// Written by affect-edge: convert again instead of editing.
//
// The operators that it needs:
//
{_resolver(graph.operators)}

#ifndef {guard}
#define {guard}

#include <cstddef>
#include <cstdint>

// The model's bytes, at an address that {_ALIGNMENT} divides.
extern const unsigned char {name}[];
extern const std::size_t {name}_size;
constexpr char {name}_sha256[] = "{hashlib.sha256(content).hexdigest()}";

// real = scale * (stored - zero point)
// Input: {_described(entry)}.
constexpr float {name}_input_scale = {_float(entry.scale)};
constexpr std::int32_t {name}_input_zero_point = {entry.zero_point};
// Output: {_described(out)}.
constexpr float {name}_output_scale = {_float(out.scale)};
constexpr std::int32_t {name}_output_zero_point = {out.zero_point};{named}

// Bytes of tensor arena to begin with; an estimate. MicroInterpreter::arena_used_bytes() tells what was used.
constexpr std::size_t {name}_arena_size = {arena_bytes(graph)};

#endif  // {guard}
"""


def _described(info: TensorInfo) -> str:
    return f"{info.dtype} {list(info.shape)}"


def _float(value: float) -> str:
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _source(name: str, file: str, content: bytes) -> str:
    numbers = [f"{byte}," for byte in content]
    lines = "\n".join("".join(numbers[at : at + _BYTES_A_LINE]) for at in range(0, len(numbers), _BYTES_A_LINE))
    return (
        f"// {file} as an array. Written by affect-edge: convert again instead of editing.\n\n"
        f'#include "{name}.h"\n\n'
        f"alignas({_ALIGNMENT}) extern const unsigned char {name}[] = {{\n{lines}\n}};\n\n"
        f"extern const std::size_t {name}_size = sizeof({name});\n"
    )
