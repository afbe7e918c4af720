"""The text of the snippets. `$$` stands for a dollar sign, `$name` for what `snippets` fills in."""

from __future__ import annotations

from string import Template

PYTHON = Template('''"""Run $file.  python ${name}_python.py INPUT.npy   (needs numpy and ai-edge-litert)

Input: $takes.
sha256 of the model: $sha256
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

MODEL = Path(__file__).with_name("$file")
INPUT_SHAPE, INPUT_SCALE, INPUT_ZERO_POINT = ($input_shape), $input_scale, $input_zero_point
OUTPUT_SHAPE, OUTPUT_SCALE, OUTPUT_ZERO_POINT = ($output_shape), $output_scale, $output_zero_point
LABELS = $labels

interpreter = Interpreter(str(MODEL), num_threads=1)
interpreter.allocate_tensors()
INPUT, OUTPUT = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]


def run(x):
    """Real numbers of INPUT_SHAPE in, real numbers of OUTPUT_SHAPE out."""
    x = np.asarray(x).reshape(INPUT_SHAPE)
    stored = $store
    interpreter.set_tensor(INPUT, stored)
    interpreter.invoke()
    stored = interpreter.get_tensor(OUTPUT)
    return $read


if __name__ == "__main__":
    answer = run(np.load(sys.argv[1]) if len(sys.argv) > 1 else np.zeros(INPUT_SHAPE))
    if LABELS:
        print(LABELS[int(answer.flat[: len(LABELS)].argmax())])
    print(*(f"{value:.6g}" for value in answer.flat))
''')
PYTHON_STORE = {
    "quantised": "np.clip(np.rint(x / np.float64(INPUT_SCALE)) + INPUT_ZERO_POINT, $input_low, $input_high)"
    ".astype(np.$input_dtype)",
    "numbers": "x.astype(np.int32)",
    "float": "x.astype(np.float32)",
}
PYTHON_READ = {
    "quantised": "(stored.astype(np.float32) - OUTPUT_ZERO_POINT) * np.float32(OUTPUT_SCALE)",
    "numbers": "stored",
    "float": "stored",
}

KOTLIN = Template("""// Run $file on Android.  In build.gradle: an implementation of com.google.ai.edge.litert:litert
//
// Input: $takes.
// sha256 of the model: $sha256

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.Interpreter

/** Not for several threads at once. [model] is $file; copy it from the assets with context.assets.open. */
class ${type}Model(model: File, threads: Int = 1) : AutoCloseable {
    private val interpreter = Interpreter(model, Interpreter.Options().setNumThreads(threads))
    private val input = ByteBuffer.allocateDirect(INPUT_SIZE * $input_bytes).order(ByteOrder.nativeOrder())
    private val output = ByteBuffer.allocateDirect(OUTPUT_SIZE * $output_bytes).order(ByteOrder.nativeOrder())

    /** [x]: INPUT_SIZE real numbers, row by row. Returns OUTPUT_SIZE real numbers. */
    fun run(x: FloatArray): FloatArray {
        require(x.size == INPUT_SIZE) { "the model takes " + INPUT_SIZE + " numbers, not " + x.size }
        input.rewind()
        for (real in x) {
            $store
        }
        input.rewind()
        output.rewind()
        interpreter.run(input, output)
        output.rewind()
        return FloatArray(OUTPUT_SIZE) { $read }
    }

$label_function    override fun close() = interpreter.close()

    companion object {
        val INPUT_SHAPE = intArrayOf($input_shape)
        const val INPUT_SIZE = $input_size
        const val INPUT_SCALE = ${input_scale}f
        const val INPUT_ZERO_POINT = $input_zero_point
        val OUTPUT_SHAPE = intArrayOf($output_shape)
        const val OUTPUT_SIZE = $output_size
        const val OUTPUT_SCALE = ${output_scale}f
        const val OUTPUT_ZERO_POINT = $output_zero_point
        val LABELS = listOf<String>($labels)
    }
}
""")

_KOTLIN_QUANTISED = (
    "input.$put((Math.rint(real.toDouble() / INPUT_SCALE) + INPUT_ZERO_POINT)"
    ".coerceIn($input_low.0, $input_high.0).toInt()$cast)"
)
KOTLIN_STORE = {
    "int8": _KOTLIN_QUANTISED.replace("$put", "put").replace("$cast", ".toByte()"),
    "uint8": _KOTLIN_QUANTISED.replace("$put", "put").replace("$cast", ".toByte()"),
    "int16": _KOTLIN_QUANTISED.replace("$put", "putShort").replace("$cast", ".toShort()"),
    "int32": "input.putInt(real.toInt())",
    "float32": "input.putFloat(real)",
}
KOTLIN_LABEL = """    /** The label of the greatest answer. */
    fun label(answer: FloatArray): String {
        var best = 0
        for (place in LABELS.indices) if (answer[place] > answer[best]) best = place
        return LABELS[best]
    }

"""
KOTLIN_READ = {
    "int8": "(output.get() - OUTPUT_ZERO_POINT) * OUTPUT_SCALE",
    "uint8": "((output.get().toInt() and 255) - OUTPUT_ZERO_POINT) * OUTPUT_SCALE",
    "int16": "(output.getShort() - OUTPUT_ZERO_POINT) * OUTPUT_SCALE",
    "int32": "output.getInt().toFloat()",
    "float32": "output.getFloat()",
}

SWIFT = Template("""// Run $file on iOS.  In the Podfile:  pod 'TensorFlowLiteSwift'
//
// Input: $takes.
// sha256 of the model: $sha256

import Foundation
import TensorFlowLite

/// Not for several threads at once.
final class ${type}Model {
    static let inputShape = [$input_shape]
    static let inputSize = $input_size
    static let inputScale: Float = $input_scale
    static let inputZeroPoint: Float = $input_zero_point
    static let outputShape = [$output_shape]
    static let outputSize = $output_size
    static let outputScale: Float = $output_scale
    static let outputZeroPoint: Float = $output_zero_point
    static let labels: [String] = [$labels]

    private let interpreter: Interpreter

    /// `path` of $file, such as Bundle.main.path(forResource:ofType:) gives it.
    init(path: String, threads: Int = 1) throws {
        var options = Interpreter.Options()
        options.threadCount = threads
        interpreter = try Interpreter(modelPath: path, options: options)
        try interpreter.allocateTensors()
    }

    /// `x`: inputSize real numbers, row by row. Returns outputSize real numbers.
    func run(_ x: [Float]) throws -> [Float] {
        precondition(x.count == Self.inputSize, "the model takes \\(Self.inputSize) numbers, not \\(x.count)")
        let stored: [$input_type] = x.map {
            $store
        }
        try interpreter.copy(stored.withUnsafeBytes { Data($$0) }, toInputAt: 0)
        try interpreter.invoke()
        let data = try interpreter.output(at: 0).data
        let answer = data.withUnsafeBytes { Array($$0.bindMemory(to: $output_type.self)) }
        return answer.map { $read }
    }
$label_function}
""")
SWIFT_STORE = {
    "quantised": "$input_type(min(max(($$0 / Self.inputScale).rounded(.toNearestOrEven) + Self.inputZeroPoint, "
    "$input_low), $input_high))",
    "numbers": "Int32($$0)",
    "float": "$$0",
}
SWIFT_LABEL = """
    /// The label of the greatest answer.
    func label(_ answer: [Float]) -> String {
        return Self.labels[Self.labels.indices.max { answer[$$0] < answer[$$1] }!]
    }
"""
SWIFT_READ = {
    "quantised": "(Float($$0) - Self.outputZeroPoint) * Self.outputScale",
    "numbers": "Float($$0)",
    "float": "$$0",
}

CPP = Template("""// Run $file with TensorFlow Lite's C++ library:  ./${name}_cpp $file INPUT.f32
// INPUT.f32 holds $input_size numbers of 32 bits, as numpy's x.astype("<f4").tofile("INPUT.f32") writes them.
//
// Input: $takes.
// sha256 of the model: $sha256

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <vector>

#include "tensorflow/lite/interpreter.h"
#include "tensorflow/lite/interpreter_builder.h"
#include "tensorflow/lite/kernels/register.h"
#include "tensorflow/lite/model_builder.h"

namespace ${name}_snippet {

constexpr int kInputShape[] = {$input_shape};
constexpr std::size_t kInputSize = $input_size;
constexpr double kInputScale = $input_scale;
constexpr int kInputZeroPoint = $input_zero_point;
constexpr int kOutputShape[] = {$output_shape};
constexpr std::size_t kOutputSize = $output_size;
constexpr float kOutputScale = ${output_scale}f;
constexpr int kOutputZeroPoint = $output_zero_point;
$cpp_labels
// Not for several threads at once.
class Model {
 public:
  explicit Model(const char* path, int threads = 1) : model_(tflite::FlatBufferModel::BuildFromFile(path)) {
    if (!model_) throw std::runtime_error("the model cannot be read");
    const tflite::ops::builtin::BuiltinOpResolver resolver;
    tflite::InterpreterBuilder(*model_, resolver)(&interpreter_);
    if (!interpreter_) throw std::runtime_error("the model cannot be built");
    interpreter_->SetNumThreads(threads);
    if (interpreter_->AllocateTensors() != kTfLiteOk) throw std::runtime_error("no memory for the model");
  }

  // Real numbers in and out, row by row.
  std::vector<float> Run(const std::vector<float>& x) {
    if (x.size() != kInputSize) throw std::invalid_argument("the model takes $input_size numbers");
    auto* input = interpreter_->typed_input_tensor<$input_type>(0);
    std::transform(x.begin(), x.end(), input, [](float real) {
      return $store;
    });
    if (interpreter_->Invoke() != kTfLiteOk) throw std::runtime_error("the model cannot be run");
    const auto* output = interpreter_->typed_output_tensor<$output_type>(0);
    std::vector<float> answer(kOutputSize);
    std::transform(output, output + kOutputSize, answer.begin(), []($output_type stored) {
      return $read;
    });
    return answer;
  }

 private:
  std::unique_ptr<tflite::FlatBufferModel> model_;
  std::unique_ptr<tflite::Interpreter> interpreter_;
};

}  // namespace ${name}_snippet

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s $file INPUT.f32\\n", arguments[0]);
    return 2;
  }
  std::vector<float> x(${name}_snippet::kInputSize);
  std::ifstream file(arguments[2], std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(x.data()), x.size() * sizeof(float))) {
    std::fprintf(stderr, "%s: holds no $input_size numbers of 32 bits\\n", arguments[2]);
    return 1;
  }
  const std::vector<float> answer = ${name}_snippet::Model(arguments[1]).Run(x);
$cpp_print  for (const float value : answer) std::printf("%.6g\\n", value);
}
""")
CPP_LABELS = "constexpr const char* kLabels[] = {$labels};\n"
CPP_PRINT = """  const auto end = answer.begin() + std::size(${name}_snippet::kLabels);
  const auto best = std::max_element(answer.begin(), end) - answer.begin();
  std::printf("%s\\n", ${name}_snippet::kLabels[best]);
"""
CPP_STORE = {
    "quantised": "static_cast<$input_type>(std::clamp(std::nearbyint(real / kInputScale) + kInputZeroPoint, "
    "$input_low.0, $input_high.0))",
    "numbers": "static_cast<$input_type>(real)",
    "float": "real",
}
CPP_READ = {
    "quantised": "kOutputScale * static_cast<float>(stored - kOutputZeroPoint)",
    "numbers": "static_cast<float>(stored)",
    "float": "stored",
}
