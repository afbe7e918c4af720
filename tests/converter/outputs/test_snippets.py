"""The programs that load a file: Python's is run, the others against stand-ins for TensorFlow Lite.

A stand-in's inference hands the stored input's first numbers on as the output, so that what is seen is how a program
stores and reads numbers.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from converter import verify
from converter.outputs import snippets
from edge.errors import ModelError
from edge.inference.catalog import find_model
from edge.inference.interpreter import dequantise, load_interpreter

SMALL_MODEL = Path(__file__).parents[2] / "data" / "small_int8.tflite"
"""(1, 48, 48, 1) -> (1, 7), int8."""
LABELS = ('the "first"', "a $second", "back\\slash", "größer", *"efg")

CPP_STAND_IN = """
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
constexpr int kTfLiteOk = 0;
namespace tflite {
struct FlatBufferModel {
  static std::unique_ptr<FlatBufferModel> BuildFromFile(const char* path) {
    return std::unique_ptr<FlatBufferModel>(*path ? new FlatBufferModel : nullptr);
  }
};
namespace ops { namespace builtin { struct BuiltinOpResolver {}; } }
struct Interpreter {
  alignas(16) char input[1 << 16] = {}, output[1 << 10] = {};
  int SetNumThreads(int) { return kTfLiteOk; }
  int AllocateTensors() { return kTfLiteOk; }
  int Invoke() { std::memcpy(output, input, sizeof output); return kTfLiteOk; }
  template <typename T> T* typed_input_tensor(int) { return reinterpret_cast<T*>(input); }
  template <typename T> T* typed_output_tensor(int) { return reinterpret_cast<T*>(output); }
};
struct InterpreterBuilder {
  InterpreterBuilder(const FlatBufferModel&, const ops::builtin::BuiltinOpResolver&) {}
  int operator()(std::unique_ptr<Interpreter>* made) { made->reset(new Interpreter); return kTfLiteOk; }
};
}
"""
CPP_HEADERS = ("interpreter.h", "interpreter_builder.h", "kernels/register.h", "model_builder.h")

KOTLIN_STAND_IN = """
package org.tensorflow.lite
import java.io.File
import java.nio.ByteBuffer
class Interpreter(model: File, options: Options) : AutoCloseable {
    class Options { fun setNumThreads(count: Int): Options = this }
    fun run(input: Any, output: Any) {
        val from = (input as ByteBuffer).duplicate()
        from.limit((output as ByteBuffer).capacity())
        output.put(from)
    }
    override fun close() {}
}
"""
KOTLIN_MAIN = """
import java.io.File
fun main(arguments: Array<String>) {
    val x = File(arguments[0]).readLines().map { it.toFloat() }.toFloatArray()
    val model = SmallInt8Model(File("small_int8.tflite"))
    val answer = model.run(x)
    println(model.label(answer))
    for (value in answer) println(value)
    model.close()
}
"""


def handed_on(model: Path, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """What the stand-ins give for samples."""
    interpreter = load_interpreter(model)
    count = int(np.prod(interpreter.output.shape))
    stored = verify.quantise(x, interpreter).tobytes()
    numbers = np.frombuffer(stored, interpreter.output.dtype, count)
    return dequantise(numbers, interpreter.output)


def sample() -> npt.NDArray[np.float32]:
    """Numbers within the input's range and on both sides of it."""
    x = np.random.default_rng(3).uniform(0, 1, (1, 48, 48, 1)).astype(np.float32)
    x.flat[:7] = (-0.3, 0.0, 0.2, 0.5, 0.7, 1.0, 1.4)
    return x


@pytest.mark.parametrize(("task", "name"), [("expression", None), ("text-emotion", "text"), ("traits", None)])
def test_python_gives_the_models_results(tmp_path: Path, task: str, name: str | None) -> None:
    model = tmp_path / "a model.tflite"
    shutil.copy(find_model(task, name), model)
    interpreter = load_interpreter(model)
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, interpreter.input.shape).astype(np.float32)
    if interpreter.input.dtype == np.int32:
        x = rng.integers(0, 100, interpreter.input.shape).astype(np.int32)
    (program,) = snippets.write_snippets(model, tmp_path, labels=("a", "b"), languages=["python"])
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, program.name, "x.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    label, numbers = done.stdout.splitlines()
    expected = verify.logits(model, x)[0]
    assert np.allclose([float(number) for number in numbers.split()], expected.ravel(), rtol=1e-5, atol=1e-6)
    # Outputs behind those that have a label do not count.
    assert label == "ab"[int(expected[:2].argmax())]


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_cpp_stores_and_reads_as_the_manifest_says(tmp_path: Path) -> None:
    (source,) = snippets.write_snippets(SMALL_MODEL, tmp_path, labels=LABELS, languages=["cpp"])
    build_cpp(source, tmp_path)
    sample().astype("<f4").tofile(tmp_path / "x.f32")
    done = subprocess.run([tmp_path / "program", "m", tmp_path / "x.f32"], capture_output=True, text=True, check=True)
    label, *numbers = done.stdout.splitlines()
    expected = handed_on(SMALL_MODEL, sample())
    assert np.allclose([float(number) for number in numbers], expected, rtol=1e-5, atol=1e-6)
    assert label == LABELS[int(expected.argmax())]
    (tmp_path / "short").write_bytes(bytes(8))
    short = subprocess.run([tmp_path / "program", "m", tmp_path / "short"], capture_output=True, text=True)
    assert (short.returncode, short.stderr) == (1, f"{tmp_path / 'short'}: holds no 2304 numbers of 32 bits\n")


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_cpp_of_numbers_to_look_up_compiles(tmp_path: Path) -> None:
    (source,) = snippets.write_snippets(find_model("traits"), tmp_path, languages=["cpp"])
    assert "typed_input_tensor<std::int32_t>" in source.read_text()
    build_cpp(source, tmp_path)


def build_cpp(source: Path, folder: Path) -> None:
    for header in CPP_HEADERS:
        path = folder / "tensorflow" / "lite" / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CPP_STAND_IN if header == "interpreter.h" else '#include "tensorflow/lite/interpreter.h"\n')
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-const-variable", f"-I{folder}"]
    subprocess.run(["g++", *flags, str(source), "-o", str(folder / "program")], check=True)


@pytest.mark.skipif(shutil.which("kotlinc") is None, reason="no Kotlin compiler")
def test_kotlin_stores_and_reads_as_the_manifest_says(tmp_path: Path) -> None:
    (source,) = snippets.write_snippets(SMALL_MODEL, tmp_path, labels=LABELS, languages=["kotlin"])
    (tmp_path / "Interpreter.kt").write_text(KOTLIN_STAND_IN)
    (tmp_path / "Main.kt").write_text(KOTLIN_MAIN)
    (tmp_path / "x.txt").write_text("\n".join(f"{value:.9g}" for value in sample().flat))
    jar = tmp_path / "program.jar"
    files = [str(source), str(tmp_path / "Interpreter.kt"), str(tmp_path / "Main.kt")]
    subprocess.run(["kotlinc", *files, "-include-runtime", "-d", str(jar)], check=True, capture_output=True)
    command = ["java", "-Dfile.encoding=UTF-8", "-jar", str(jar), str(tmp_path / "x.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    label, *numbers = done.stdout.splitlines()
    expected = handed_on(SMALL_MODEL, sample())
    assert np.allclose([float(number) for number in numbers], expected, rtol=1e-5, atol=1e-6)
    assert label == LABELS[int(expected.argmax())]


def test_all_carry_this_very_files_numbers(tmp_path: Path) -> None:
    model = find_model("expression")
    written = snippets.write_snippets(model, tmp_path, labels=LABELS, takes="gray pixels, 0 to 255 as 0 to 1")
    names = ["expression_python.py", "expression_android.kt", "expression_ios.swift", "expression_cpp.cc"]
    assert [path.name for path in written] == names
    interpreter = load_interpreter(model)
    for path in written:
        text = path.read_text(encoding="utf-8")
        for told in ("expression.tflite", "1, 48, 48, 1", "-128", "gray pixels, 0 to 255 as 0 to 1", "größer"):
            assert told in text, path.name
        for scale in (interpreter.input.scale, interpreter.output.scale):
            assert f"{scale:.9g}" in text, path.name
        assert "${" not in text and "$name" not in text
    swift = written[2].read_text()
    assert swift.count("{") == swift.count("}") and swift.count("(") == swift.count(")")
    assert "let stored: [Int8] = x.map {" in swift and "$0.bindMemory(to: Int8.self)" in swift


def test_without_labels_nothing_looks_for_one(tmp_path: Path) -> None:
    for path in snippets.write_snippets(SMALL_MODEL, tmp_path):
        assert "label(" not in path.read_text() and "kLabels" not in path.read_text()


def test_names_that_do_not_fit_into_code_are_refused(tmp_path: Path) -> None:
    model = tmp_path / 'a"b.tflite'
    shutil.copy(SMALL_MODEL, model)
    with pytest.raises(ModelError, match="does not fit into code; rename it"):
        snippets.write_snippets(model, tmp_path)
