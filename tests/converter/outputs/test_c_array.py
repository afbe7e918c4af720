"""A model as a C++ array: the same bytes, aligned, with what TensorFlow Lite Micro asks for."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from converter import tflite_file
from converter.outputs import c_array
from converter.tflite_file import Graph, Operator, Tensor
from edge.errors import ModelError
from edge.inference.catalog import find_model

SMALL_MODEL = Path(__file__).parents[2] / "data" / "small_int8.tflite"

MAIN = """
#include <cstdio>
#include "small_int8_model.h"
int main() {
  static_assert(small_int8_model_input_zero_point == ZERO_POINT, "");
  if (reinterpret_cast<std::uintptr_t>(small_int8_model) % 16) return 3;
  std::fprintf(stderr, "%s %.9g %s", small_int8_model_sha256, small_int8_model_input_scale, small_int8_model_labels[1]);
  return std::fwrite(small_int8_model, 1, small_int8_model_size, stdout) != small_int8_model_size;
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_compiled_it_is_the_file_byte_by_byte(tmp_path: Path) -> None:
    from edge.inference.interpreter import load_interpreter

    labels = ["one", 'the "second"', *"abcde"]
    header, source = c_array.write_c_array(SMALL_MODEL, tmp_path, labels=labels)
    assert (header.name, source.name) == ("small_int8_model.h", "small_int8_model.cc")
    entry = load_interpreter(SMALL_MODEL).input
    main = tmp_path / "main.cc"
    main.write_text(MAIN.replace("ZERO_POINT", str(entry.zero_point)))
    program = tmp_path / "program"
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable"]
    subprocess.run(["g++", *flags, str(main), str(source), "-o", str(program)], check=True, cwd=tmp_path)
    done = subprocess.run([program], capture_output=True, check=True)
    content = SMALL_MODEL.read_bytes()
    assert done.stdout == content
    sha256, scale, label = done.stderr.decode().split(" ", 2)
    assert (sha256, label) == (hashlib.sha256(content).hexdigest(), 'the "second"')
    assert float(scale) == pytest.approx(entry.scale, rel=1e-8)


def test_the_operators_are_named_as_the_resolver_calls_them(tmp_path: Path) -> None:
    header, _ = c_array.write_c_array(find_model("speech-encoder", "speech"), tmp_path)
    text = header.read_text()
    assert "tflite::MicroMutableOpResolver<8> resolver;" in text
    for method in ("Conv2D", "DepthwiseConv2D", "AveragePool2D", "MaxPool2D", "FullyConnected", "Quantize"):
        assert f"resolver.Add{method}();" in text
    assert "labels" not in text
    names = {"PADV2": "PadV2", "RELU6": "Relu6", "L2_NORMALIZATION": "L2Normalization", "SPLIT_V": "SplitV"}
    assert {name: c_array._camel(name) for name in names} == names


@pytest.mark.parametrize(
    ("text", "name"), [("face-near v2", "face_near_v2"), ("3d", "m3d"), ("größe", "gr__e"), ("plain", "plain")]
)
def test_names_become_identifiers(text: str, name: str) -> None:
    assert c_array.identifier(text) == name


# (planned, used in all) as tflite-micro 0.dev20261023's RecordingMicroAllocator told them, x86-64.
MEASURED = {
    "expression/expression": (82944, 128000),
    "face-detection/face_near": (92160, 123248),
    "speech-emotion/speech": (1376, 69168),
    "speech-encoder/speech": (24576, 30352),
    "text-emotion/text": (46080, 107968),
    "traits/traits": (2704, 4192),
}


@pytest.mark.parametrize("name", MEASURED)
def test_the_arena_is_what_tflite_micro_used_and_not_much_more(name: str) -> None:
    task, _, model = name.partition("/")
    graph = tflite_file.read(find_model(task, model))
    planned, used = MEASURED[name]
    assert planned * 0.97 <= c_array._planned(graph) <= planned
    assert used <= c_array.arena_bytes(graph) <= 1.4 * used


def test_activations_share_memory_that_is_free_again() -> None:
    a, b, c, d = (Tensor(index, "", (1, size), "int8", False, True) for index, size in enumerate((100, 30, 64, 16)))
    steps = [(a, b), (b, c), (c, d)]
    operators = tuple(Operator(at, "TANH", False, (one,), (to,), {}) for at, (one, to) in enumerate(steps))
    # b stands behind a, which is needed with it; c and d lie where a was.
    assert c_array._planned(Graph(operators, (a,), (d,), 1)) == 112 + 32


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"small_int8_model\.h: cannot be written"):
        c_array.write_c_array(SMALL_MODEL, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
