"""What delegates leave to the CPU: asked of XNNPACK, looked up for the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converter import delegate_lists, delegates, tflite_file
from converter.tflite_file import Operator, Tensor
from edge.errors import ModelError
from edge.inference.catalog import find_model

SMALL_MODEL = Path(__file__).parents[1] / "data" / "small_int8.tflite"


def tensor(shape: tuple[int, ...] = (1, 8, 8, 4), dtype: str = "int8", **keys: Any) -> Tensor:
    return replace(Tensor(0, "t", shape, dtype, constant=False, fixed=True), **keys)


def constant(*numbers: int, shape: tuple[int, ...] | None = None) -> Tensor:
    return tensor(shape or (len(numbers),), "int32", constant=True, numbers=numbers)


def operator(name: str, *inputs: Tensor, output: Tensor | None = None, **options: Any) -> Operator:
    return Operator(0, name, False, inputs or (tensor(),), (output or tensor(),), options)


def test_a_file_is_read_as_it_stands() -> None:
    graph = tflite_file.read(find_model("face-detection", "face_near"))
    first = graph.operators[0]
    assert (first.name, first.inputs[1].numbers) == ("RESHAPE", (1, 64, 2, 80, 2))
    assert first.outputs[0].shape == (1, 64, 2, 80, 2)
    convolution = graph.operators[3]
    assert (convolution.name, convolution.activation, convolution.options["strideW"]) == ("CONV_2D", "RELU", 2)
    assert [each.constant for each in convolution.inputs] == [False, True, True]
    assert (graph.inputs[0].shape, graph.outputs[0].shape) == ((1, 128, 160, 1), (1, 420, 15))
    assert graph.inputs[0].bytes == 128 * 160


@pytest.mark.parametrize(("content", "told"), [(b"", "no TFL3 mark"), (b"\x00\x00\x00\x00TFL3" + bytes(9), "damaged")])
def test_no_model_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=told):
        delegates.check(path)


def test_a_truncated_model_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(SMALL_MODEL.read_bytes()[:1500])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        delegates.check(path)


def test_the_expression_model_is_taken_whole() -> None:
    found = {each.delegate: each for each in delegates.check(find_model("expression"))}
    assert list(found) == ["xnnpack", "gpu", "edge-tpu"]
    assert all(each.complete and each.operators == 32 for each in found.values())
    assert found["xnnpack"].summary() == "xnnpack: 32 of 32 operators"


def test_what_falls_back_is_named_in_the_order_of_the_file() -> None:
    xnnpack, gpu, tpu = delegates.check(find_model("text-emotion", "text"))
    # XNNPACK has no table look-up; what is asked here is which operators its parts leave out, not a list.
    assert "GATHER" in [name for name, _ in xnnpack.falls_back]
    assert "FULLY_CONNECTED" not in [name for name, _ in xnnpack.falls_back]
    assert gpu.falls_back == (
        ("RESHAPE", "int32 numbers"),
        ("GATHER", "indices of 2 dimensions, the delegate takes 1"),
        ("UNPACK", "not on the delegate's list"),
    )
    assert tpu.falls_back[0] == ("RESHAPE", "int32 numbers, the compiler takes 8 bits")
    assert ("CONV_2D", "behind RESHAPE, where the compiler ends its part") in tpu.falls_back
    assert len(tpu.falls_back) == tpu.operators  # the whole graph needs the looked-up rows
    assert "on the CPU: 1 RESHAPE (int32 numbers); 1 GATHER" in gpu.summary()


def test_parts_of_a_delegate_are_walked_to_their_edges() -> None:
    # 0 and 2 and 3 stand inside: 3 needs 2's result, 2 takes 1's, which is an input of the second part.
    details = [
        {"inputs": [0, 10], "outputs": [1]},
        {"inputs": [1], "outputs": [2]},
        {"inputs": [2], "outputs": [3]},
        {"inputs": [3, 1], "outputs": [4]},
        {"inputs": [0, 10], "outputs": [1]},
        {"inputs": [2, 1], "outputs": [4]},
    ]
    assert delegates._taken(details, 4) == {0, 2, 3}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (operator("CONV_2D"), None),
        (operator("UNPACK"), "not on the delegate's list"),
        (replace(operator("Mine"), custom=True), "a custom operator"),
        (operator("RESHAPE", tensor((1, 2, 2, 2, 2))), "a tensor of 5 dimensions, the delegate takes 4"),
        (operator("ADD", tensor(dtype="int16")), "int16 numbers"),
        (operator("GATHER", tensor((9, 4)), tensor((3,), "int32")), None),
        (operator("GATHER", tensor((9, 4), "int32"), tensor((3,), "int32")), "a table of int32"),
        (operator("SLICE", tensor((8, 4)), constant(0, 0), constant(1, 1)), "2 dimensions, the delegate takes 3 or 4"),
        (operator("STRIDED_SLICE", tensor(), shrinkAxisMask=1), "the option shrinkAxisMask"),
        (operator("PAD", tensor(), constant(shape=(4, 2))), None),
        (operator("PAD", tensor(), constant(shape=(2, 2))), "paddings of shape (2, 2)"),
        (operator("MEAN", tensor(), tensor((2,), "int32", constant=True)), None),
        (operator("SUM", tensor(), tensor((2,))), "axes that are no int32 constant"),
        (operator("DEPTHWISE_CONV_2D", depthMultiplier=2), "a depth multiplier over several channels"),
        (operator("DEPTHWISE_CONV_2D", tensor((1, 8, 8, 1)), depthMultiplier=2), None),
        (operator("SOFTMAX", beta=0.5), "a beta other than 1"),
        (operator("MUL", tensor((1, 4, 1, 1)), tensor((1, 1, 4, 1))), "each side is smaller"),
        (operator("FULLY_CONNECTED", weightsFormat=1), "shuffled weights"),
    ],
)
def test_the_gpu_list(found: Operator, told: str | None) -> None:
    reason = delegate_lists.gpu(found)
    assert reason is None if told is None else reason is not None and reason.startswith(told)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (operator("CONV_2D", dilationWFactor=2, dilationHFactor=2), None),
        (operator("CONV_2D", dilationWFactor=2, dilationHFactor=1), "dilations that differ, 1 and 2"),
        (operator("GATHER"), "not on the compiler's list"),
        (operator("ADD", tensor(dtype="float32")), "float32 numbers, the compiler takes 8 bits"),
        (operator("ADD", tensor(fixed=False)), "a tensor whose size is not fixed"),
        (operator("RESHAPE", tensor((2, 4, 4, 4))), "a tensor of shape [2, 4, 4, 4]"),
        (operator("MAX_POOL_2D", fusedActivationFunction=1), "a fused RELU"),
        (operator("CONCATENATION", tensor(), tensor(constant=True)), "a constant among its inputs"),
        (operator("CONCATENATION", tensor(), tensor(constant=True, zero=True)), None),
        (operator("FULLY_CONNECTED", output=tensor((1, 3, 4))), "an output of shape [1, 3, 4]"),
        (operator("MEAN", tensor((1, 8, 8, 6)), constant(3)), "a mean over 6 channels"),
        (operator("MEAN", tensor(), constant(1, 2)), None),
        (operator("SUM", tensor(), constant(0)), "works along the batch axis"),
        (operator("PACK", axis=0), "works along the batch axis"),
        (operator("SPLIT", constant(-1), tensor()), None),
        (operator("SPLIT", constant(-4), tensor()), "works along the batch axis"),
        (operator("PAD", tensor(), constant(1, 0, 0, 0, shape=(4, 2))), "pads the batch axis"),
        (operator("PRELU", tensor(), tensor((8, 8, 4), constant=True)), "an alpha of shape [8, 8, 4]"),
        (operator("SOFTMAX", tensor((1, 4, 4))), "an input of shape [1, 4, 4]"),
        (operator("SOFTMAX", tensor((1, 16_001))), "16001 numbers"),
        (operator("STRIDED_SLICE", tensor(), constant(), constant(), constant(1, 2)), "strides other than 1"),
    ],
)
def test_the_edge_tpu_list(found: Operator, told: str | None) -> None:
    reason = delegate_lists.edge_tpu(found)
    assert reason is None if told is None else reason is not None and reason.startswith(told)
