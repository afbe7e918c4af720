"""What the GPU delegate and the Edge TPU compiler take, by their published lists.

Each rule looks at one operator and says why the delegate leaves it to the CPU, or None. Lists are what they are: a
driver may refuse more, and only the compiler or the board has the last word.
"""

from __future__ import annotations

from collections.abc import Callable

from converter.tflite_file import Operator, Tensor

Rule = Callable[[Operator], str | None]


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# LiteRT's GPU delegate. Source: tensorflow/lite/tools/versioning/gpu_compatibility.cc in TensorFlow's repository,
# commit 03a5e4e19a9c8200e13c85f1c637877fdf589be6, which the delegate asks about every operator; for the
# number of dimensions ExtractTensorShape in tensorflow/lite/delegates/gpu/common/model_builder_helper.cc.
# The wheels' Analyzer (tf.lite.experimental.Analyzer of 2.21, LiteRT 2.3) is not asked: it calls a TOPK_V2 compatible.
GPU_SOURCE = "tensorflow/lite/tools/versioning/gpu_compatibility.cc, commit 03a5e4e"

_GPU_OPERATORS = _set(
    # of one tensor
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG PRELU RELU RELU6 RELU_N1_TO_1 RSQRT SIGN "
    "SIN SQRT SQUARE TANH "
    # of two
    "ADD ADD_N ATAN2 DIV EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND MAXIMUM MINIMUM "
    "MUL NOT_EQUAL POW SQUARED_DIFFERENCE SUB "
    # with weights, and what else there is
    "AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D CUMSUM DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE "
    "DEQUANTIZE DYNAMIC_UPDATE_SLICE EMBEDDING_LOOKUP FULLY_CONNECTED GATHER LSTM MAX_POOL_2D MEAN MIRROR_PAD ONE_HOT "
    "PACK PAD PADV2 QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR "
    "SELECT SELECT_V2 SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V STRIDED_SLICE SUM TILE TRANSPOSE TRANSPOSE_CONV"
)
_GPU_DTYPES = _set("float32 float16 int8 uint8")
_GPU_OTHER_NUMBERS = _set("CAST EMBEDDING_LOOKUP GATHER ONE_HOT SELECT SELECT_V2")
"""Those that take numbers of other types, to look up or to choose by."""


def gpu(operator: Operator) -> str | None:
    """Why LiteRT's GPU delegate leaves an operator to the CPU; quantised ones it computes in float."""
    if operator.custom:
        return "a custom operator"
    if operator.name not in _GPU_OPERATORS:
        return "not on the delegate's list"
    for tensor in _runtime(operator):
        if len(tensor.shape) > 4:
            return f"a tensor of {len(tensor.shape)} dimensions, the delegate takes 4"
        if tensor.dtype not in _GPU_DTYPES and operator.name not in _GPU_OTHER_NUMBERS:
            return f"{tensor.dtype} numbers"
    rule = _GPU_RULES.get(operator.name)
    return rule(operator) if rule else None


def _gpu_gather(operator: Operator) -> str | None:
    table, indices = operator.inputs[:2]
    if table.dtype == "int32":
        return "a table of int32"
    if len(indices.shape) != 1:
        return f"indices of {len(indices.shape)} dimensions, the delegate takes 1"
    return None if indices.dtype == "int32" else f"indices of {indices.dtype}"


def _gpu_slice(operator: Operator) -> str | None:
    if len(operator.inputs[0].shape) not in (3, 4):
        return f"{len(operator.inputs[0].shape)} dimensions, the delegate takes 3 or 4"
    masks = [mask for mask in ("ellipsisMask", "newAxisMask", "shrinkAxisMask") if operator.options.get(mask)]
    return f"the option {masks[0]}" if masks else None


def _gpu_pad(operator: Operator) -> str | None:
    shape = operator.inputs[1].shape
    return None if shape in ((3, 2), (4, 2)) else f"paddings of shape {shape}, the delegate takes (3, 2) or (4, 2)"


def _gpu_axes(operator: Operator) -> str | None:
    axes = operator.inputs[1]
    return None if axes.constant and axes.dtype == "int32" else "axes that are no int32 constant"


def _gpu_depthwise(operator: Operator) -> str | None:
    multiplied = operator.options.get("depthMultiplier", 1) != 1 and operator.inputs[0].shape[-1] != 1
    return "a depth multiplier over several channels" if multiplied else None


def _gpu_softmax(operator: Operator) -> str | None:
    return None if operator.options.get("beta") == 1 else "a beta other than 1"


def _gpu_multiply(operator: Operator) -> str | None:
    one, other = (tensor.shape for tensor in operator.inputs[:2])
    if len(one) != len(other):
        return None
    both = any(a < b for a, b in zip(one, other, strict=True)) and any(a > b for a, b in zip(one, other, strict=True))
    return "each side is smaller than the other along some axis" if both else None


def _gpu_dense(operator: Operator) -> str | None:
    if operator.options.get("weightsFormat"):
        return "shuffled weights"
    return "a constant input" if operator.inputs[0].constant else None


_GPU_RULES: dict[str, Rule] = {
    "GATHER": _gpu_gather,
    "SLICE": _gpu_slice,
    "STRIDED_SLICE": _gpu_slice,
    "PAD": _gpu_pad,
    "PADV2": _gpu_pad,
    "MIRROR_PAD": _gpu_pad,
    "MEAN": _gpu_axes,
    "SUM": _gpu_axes,
    "REDUCE_MAX": _gpu_axes,
    "REDUCE_MIN": _gpu_axes,
    "REDUCE_PROD": _gpu_axes,
    "DEPTHWISE_CONV_2D": _gpu_depthwise,
    "SOFTMAX": _gpu_softmax,
    "MUL": _gpu_multiply,
    "FULLY_CONNECTED": _gpu_dense,
}

# The Edge TPU compiler, version 16.0 with runtime 14, the last one published. Source: "Model requirements" and
# "Supported operations" on coral.ai/docs/edgetpu/models-intro, repeated for the same chip at
# developer.axis.com/computer-vision/on-device/system-on-chip/artpec-7/supported-ops.
EDGE_TPU_SOURCE = "coral.ai/docs/edgetpu/models-intro, compiler 16.0, runtime 14"

_EDGE_TPU_OPERATORS = _set(
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXPAND_DIMS FULLY_CONNECTED L2_NORMALIZATION LOGISTIC "
    "LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL PACK PAD PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 RELU_N1_TO_1 "
    "RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQUARED_DIFFERENCE "
    "SQUEEZE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM"
)
_SOFTMAX_MOST = 16_000


def edge_tpu(operator: Operator) -> str | None:
    """Why the Edge TPU compiler leaves an operator to the CPU."""
    if operator.custom:
        return "a custom operator"
    if operator.name not in _EDGE_TPU_OPERATORS:
        return "not on the compiler's list"
    for tensor in _runtime(operator):
        if tensor.dtype not in ("int8", "uint8"):
            return f"{tensor.dtype} numbers, the compiler takes 8 bits"
        if not tensor.fixed:
            return "a tensor whose size is not fixed"
        if any(side > 1 for side in tensor.shape[:-3]):
            return f"a tensor of shape {list(tensor.shape)}, only its last 3 sides may be over 1"
    rule = _EDGE_TPU_RULES.get(operator.name)
    return rule(operator) if rule else None


def _tpu_unfused(operator: Operator) -> str | None:
    return None if operator.activation == "NONE" else f"a fused {operator.activation}"


def _tpu_concatenation(operator: Operator) -> str | None:
    constants = [tensor for tensor in operator.inputs if tensor.constant]
    if constants and (len(operator.inputs) != 2 or not constants[0].zero):
        return "a constant among its inputs that is no padding with zeros"
    return _tpu_unfused(operator)


def _tpu_dilation(operator: Operator) -> str | None:
    across, down = operator.options.get("dilationWFactor", 1), operator.options.get("dilationHFactor", 1)
    return None if across == down else f"dilations that differ, {down} and {across}"


def _tpu_dense(operator: Operator) -> str | None:
    if operator.options.get("weightsFormat"):
        return "shuffled weights"
    shape = operator.outputs[0].shape
    return f"an output of shape {list(shape)}, which is not one row" if any(side > 1 for side in shape[:-1]) else None


def _tpu_mean(operator: Operator) -> str | None:
    shape, axes = operator.inputs[0].shape, _axes(operator)
    if len(shape) - 1 in axes and shape[-1] % 4:
        return f"a mean over {shape[-1]} channels, which is no multiple of 4"
    return _tpu_batch(operator)


def _tpu_batch(operator: Operator) -> str | None:
    # A batch of one is reduced by nothing; what counts is the axis that the operator names.
    return "works along the batch axis" if 0 in _axes(operator) else None


def _tpu_axis(operator: Operator) -> str | None:
    axis = int(operator.options.get("axis") or 0)
    if operator.name == "SPLIT":  # its axis is an input
        axis = operator.inputs[0].numbers[0] if operator.inputs[0].numbers else 0
    return "works along the batch axis" if axis % max(len(_longest(operator)), 1) == 0 else None


def _tpu_pad(operator: Operator) -> str | None:
    return "pads the batch axis" if any(operator.inputs[1].numbers[:2]) else None


def _tpu_prelu(operator: Operator) -> str | None:
    shape = operator.inputs[1].shape
    return f"an alpha of shape {list(shape)}, not one for each channel" if any(n > 1 for n in shape[:-1]) else None


def _tpu_softmax(operator: Operator) -> str | None:
    shape = operator.inputs[0].shape
    if any(side > 1 for side in shape[:-1]):
        return f"an input of shape {list(shape)}, which is not one row"
    return f"{shape[-1]} numbers, the compiler takes {_SOFTMAX_MOST}" if shape[-1] > _SOFTMAX_MOST else None


def _tpu_strided_slice(operator: Operator) -> str | None:
    if any(stride != 1 for stride in operator.inputs[3].numbers):
        return "strides other than 1"
    masks = [mask for mask in ("ellipsisMask", "newAxisMask") if operator.options.get(mask)]
    return f"the option {masks[0]}" if masks else None


_EDGE_TPU_RULES: dict[str, Rule] = {
    "AVERAGE_POOL_2D": _tpu_unfused,
    "MAX_POOL_2D": _tpu_unfused,
    "CONCATENATION": _tpu_concatenation,
    "CONV_2D": _tpu_dilation,
    "DEPTHWISE_CONV_2D": _tpu_dilation,
    "FULLY_CONNECTED": _tpu_dense,
    "MEAN": _tpu_mean,
    "REDUCE_MAX": _tpu_batch,
    "REDUCE_MIN": _tpu_batch,
    "SUM": _tpu_batch,
    "PACK": _tpu_axis,
    "SPLIT": _tpu_axis,
    "PAD": _tpu_pad,
    "PRELU": _tpu_prelu,
    "SOFTMAX": _tpu_softmax,
    "STRIDED_SLICE": _tpu_strided_slice,
}


def _runtime(operator: Operator) -> tuple[Tensor, ...]:
    """Its inputs and outputs but for what stands in the file."""
    return tuple(tensor for tensor in (*operator.inputs, *operator.outputs) if not tensor.constant)


def _axes(operator: Operator) -> set[int]:
    rank = len(operator.inputs[0].shape)
    return {axis % rank for axis in operator.inputs[1].numbers}


def _longest(operator: Operator) -> tuple[int, ...]:
    return max((tensor.shape for tensor in (*operator.inputs, *operator.outputs)), key=len)
