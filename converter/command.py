"""Convert a Keras model to the .tflite file that suits your board, and say what was lost.

MODEL is a .keras or .h5 file, the folder of a SavedModel, or that of a training run. DATA should look like what the
device will see, some hundreds of samples: a folder of pictures (sub-folders are the classes), an .npz file with x and
optionally y, x_validation, y_validation, a folder that tf.data.Dataset.save wrote, or recipe:NAME with --data-dir.
Without validation data of its own, a tenth is held out to judge by. The methods:

  auto      all of these are tried, measured and compared; the fastest that is near enough to the float model is taken
  int8      ranges are measured on the data, weights stay (post-training quantisation): seconds
  qat       the network is fine-tuned with int8's rounding in place, towards y, or without y towards the float model's
            own answers. What cannot be trained so (LSTM, ...) is calibrated. Interrupted, the same command goes on
  int16x8   as int8, with 16 bits between the layers: near float, slower
  dynamic   int8 weights, float between the layers
  float16   half the size, no other change
  float32   no quantisation, for comparison

examples:
  affect-edge convert model.keras --data pictures/ --out converted/
  affect-edge convert model.keras --data pictures/ --out converted/ --bench-on ssh://pi@raspberrypi.local --threads 1 4
  affect-edge convert face.keras --data train.npz --out models/expression --task expression --labels a,b,c --method qat
  affect-edge convert model.h5 --data data.npz --out converted/ --method int8 --keep-float 2 --formats onnx c snippets
  affect-edge convert saved_model/ --data data.npz --out converted/ --json

A softmax at the end is taken off: the file gives logits. Written are NAME.tflite, its manifest NAME.json, the labels,
and the report NAME_report.html and .json. Needs  pip install 'affect-edge[convert]'.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge.errors import DataError

if TYPE_CHECKING:
    from converter.convert import Request, Result

HELP = "convert a Keras model to the .tflite file that suits your board"

_METHODS = ("int8", "qat", "int16x8", "dynamic", "float16", "float32")
_FORMATS = ("onnx", "tensorrt", "c", "snippets")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help=".keras, .h5, a SavedModel or a training run")
    parser.add_argument("--data", required=True, metavar="DATA", help="pictures, .npz, tf.data folder or recipe:NAME")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for what is written")
    parser.add_argument("--method", choices=("auto", *_METHODS), default="auto", help="(default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and order of samples (default: 0)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")

    what = parser.add_argument_group("the model and its data")
    what.add_argument("--labels", metavar="LABELS", help="a,b,c in the order of the outputs, or a file, one a line")
    what.add_argument(
        "--task",
        choices=("expression", "other"),
        default="other",
        help="'expression' for `affect-edge run`, else 'other' (the default)",
    )
    what.add_argument("--name", help="of the files (default: that of MODEL)")
    what.add_argument("--model-version", default="1", help="what the manifest calls its version (default: 1)")
    what.add_argument(
        "--input-shape", type=_shape, metavar="H,W,C", help="of one sample, for a model that leaves sides open"
    )
    what.add_argument(
        "--pixel-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="the numbers that pixel values 0 and 255 stand for (default: 0 1)",
    )
    what.add_argument("--data-dir", type=Path, metavar="DIR", help="of the public data, for recipe:NAME")
    what.add_argument("--samples", type=_count, metavar="N", help="draw at most so many from DATA")

    how = parser.add_argument_group("quantisation")
    how.add_argument(
        "--calibration", type=_count, default=500, metavar="N", help="samples that measure ranges (default: 500)"
    )
    how.add_argument("--epochs", type=_count, default=3, metavar="N", help="of qat (default: 3)")
    how.add_argument(
        "--learning-rate", type=_rate, default=1e-4, metavar="R", help="qat's first one, Adam (default: 1e-4)"
    )
    how.add_argument("--batch", type=_count, default=48, metavar="N", help="samples per step of qat (default: 48)")
    how.add_argument(
        "--keep-float",
        metavar="N|NAMES",
        help="layers that stay in float: a,b,c, or how many of those that cost most",
    )

    how.add_argument(
        "--costliest", type=_count, metavar="N", help="name the N layers that cost int8 most; tries each of them"
    )

    choice = parser.add_argument_group("auto's choice")
    choice.add_argument(
        "--max-drop",
        type=float,
        default=0.01,
        metavar="D",
        help="how far below the float model the choice may be, 0 to 1 (default: 0.01)",
    )
    choice.add_argument("--bench-on", metavar="ssh://USER@HOST", help="take the times on this board, over your ssh")
    choice.add_argument(
        "--threads", type=_count, nargs="+", metavar="N", help="to take times with (default: 1, 2, ...)"
    )

    more = parser.add_argument_group("what is written")
    more.add_argument(
        "--formats",
        nargs="+",
        choices=_FORMATS,
        default=(),
        metavar="FORMAT",
        help="beside .tflite: onnx (ONNX Runtime), tensorrt (ONNX for a Jetson's TensorRT), c (TensorFlow Lite Micro), "
        "snippets (Kotlin, Swift, Python, C++)",
    )
    more.add_argument("--keep-all", action="store_true", help="write every variant, as NAME-METHOD.tflite")


def run(arguments: argparse.Namespace) -> int:
    from converter.convert import convert

    result = convert(_request(arguments))
    if arguments.json:
        print(json.dumps(_as_dict(result), ensure_ascii=False))
    else:
        print(_text(result))
    return 0


def _request(arguments: argparse.Namespace) -> Request:
    from converter.convert import Request
    from converter.methods import METHODS, Options
    from converter.outputs import Format

    # What --help lists without an import of TensorFlow has to be what there is.
    assert set(_METHODS) == set(METHODS) and {*_FORMATS, "labels"} == set(get_args(Format))
    kept = arguments.keep_float or ""
    names = () if kept.isdecimal() else tuple(name for name in (part.strip() for part in kept.split(",")) if name)
    if not 0 <= arguments.max_drop <= 1:
        raise DataError(f"--max-drop {arguments.max_drop:g}: lies between 0 and 1; 0.01 is one point of accuracy")
    return Request(
        model=arguments.model,
        data=arguments.data,
        out=arguments.out,
        methods=METHODS if arguments.method == "auto" else (arguments.method,),
        task=arguments.task,
        labels=_labels(arguments.labels),
        name=arguments.name,
        version=arguments.model_version,
        input_shape=arguments.input_shape,
        data_dir=arguments.data_dir,
        most=arguments.samples,
        costliest=int(kept) if kept.isdecimal() else arguments.costliest or 0,
        keep_costliest=kept.isdecimal(),
        max_drop=arguments.max_drop,
        board=arguments.bench_on,
        threads=tuple(arguments.threads) if arguments.threads else None,
        formats=tuple(arguments.formats),
        keep_all=arguments.keep_all,
        options=Options(
            seed=arguments.seed,
            calibration_samples=arguments.calibration,
            input_range=tuple(arguments.pixel_range) if arguments.pixel_range else None,
            epochs=arguments.epochs,
            learning_rate=arguments.learning_rate,
            batch=arguments.batch,
            keep_float=names,
            progress=not arguments.json,
        ),
    )


def _labels(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    path = Path(text)
    if "," not in text and path.is_file():
        try:
            text = ",".join(path.read_text(encoding="utf-8").split("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"--labels {path}: cannot be read: {error}; one label a line, UTF-8") from None
    labels = tuple(part.strip() for part in text.split(",") if part.strip())
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise DataError(f"--labels {text}: at least two different labels, or a file that holds one a line")
    return labels


def _as_dict(result: Result) -> dict[str, object]:
    from converter.report import as_dict

    return {
        "file": str(result.model),
        "files": [str(path) for path in result.files],
        "report": as_dict(result.report),
        "interpreters": [each.as_dict() for each in result.interpreters],
        "delegates": [each.as_dict() for each in result.delegates],
        "formats": [each.as_dict() for each in result.others],
    }


def _text(result: Result) -> str:
    from converter.report import table

    return "\n".join(
        (
            table(result.report),
            "",
            *(f"runs in   {each.summary()}" for each in result.interpreters),
            *(f"taken by  {each.summary()}" for each in result.delegates),
            *(f"checked   {each.format}: {each.checked}" for each in result.others),
            "",
            "written:",
            *(f"  {path}" for path in result.files),
        )
    )


def _shape(text: str) -> tuple[int, ...]:
    try:
        sides = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no shape; it is one such as 96,96,3") from None
    if min(sides) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': each side must be 1 or more")
    return sides


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must lie between 0 and 1")
    return value
