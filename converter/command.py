"""Convert a Keras 3 model to an int8 .tflite file with its manifest, and say what was lost.

DATA is an .npz with x, (n, height, width[, 1]) uint8 pixels (or float32 as the model takes them), and optionally y,
class numbers or probabilities; or a folder of pictures. It should look like what the camera will see: a few hundred
samples. The methods:

  int8      ranges are measured on the data, weights stay (post-training quantisation): seconds
  qat       the network is fine-tuned with int8's rounding in place, on x and y; without y it learns to repeat the
            float model's own answers. A tenth of the data is held out to choose the best epoch. Interrupted, the same
            command goes on where it was
  float32   no quantisation, for comparison

  affect-edge convert face.keras --data calibration.npz --out models/expression --labels labels.txt
  affect-edge convert face.keras --data train.npz --out out --labels a,b,c --method qat --epochs 3
  affect-edge convert face.keras --data pictures/ --out out --labels a,b,c --json

A softmax at the end is taken off, since the runtime calibrates logits. Needs  pip install 'affect-edge[convert]'.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import DataError, ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from converter.convert import Report
    from converter.data import Samples

HELP = "convert a Keras model to an int8 .tflite file with its manifest"

HELD_OUT = 10
"""One sample in so many chooses the best epoch of QAT."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .keras file (Keras 3)")
    parser.add_argument("--data", type=Path, required=True, help="an .npz file with x and optionally y, or a folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for NAME.tflite and NAME.json")
    parser.add_argument("--labels", required=True, help="a,b,c in the order of the outputs, or a file, one a line")
    parser.add_argument("--method", choices=("int8", "qat", "float32"), default="int8", help="(default: int8)")
    parser.add_argument("--name", help="of the files (default: that of MODEL)")
    parser.add_argument("--model-version", default="1", help="what the manifest calls its version (default: 1)")
    parser.add_argument(
        "--pixel-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        default=(0.0, 1.0),
        help="the numbers that pixel values 0 and 255 stand for (default: 0 1)",
    )
    parser.add_argument(
        "--calibration", type=_count, default=500, help="samples that int8 measures its ranges on (default: 500)"
    )
    parser.add_argument("--epochs", type=_count, default=3, help="of qat (default: 3)")
    parser.add_argument("--learning-rate", type=_rate, default=1e-4, help="qat's first one, Adam (default: 1e-4)")
    parser.add_argument("--batch", type=_count, default=48, help="samples per step of qat (default: 48)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and order of samples (default: 0)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    from converter import bridge, keras_files, legacy_graph
    from converter.convert import verify_and_write
    from converter.data import read_samples

    labels = _labels(arguments.labels)
    low, high = arguments.pixel_range
    if not low < high:
        raise DataError(f"--pixel-range {low:g} {high:g}: the first must be the smaller")
    _say(f"reading {arguments.model}", arguments)
    legacy = legacy_graph.without_softmax(bridge.to_tf_keras(keras_files.load_keras(arguments.model)))
    shape, classes = _image_classifier(legacy, arguments.model)
    if len(labels) != classes:
        raise ModelError(f"--labels: {len(labels)} labels ({', '.join(labels)}) for {classes} outputs")
    samples = read_samples(arguments.data, shape=shape, classes=classes, pixel_range=(low, high))
    _say(f"converting with {len(samples.x)} samples, method {arguments.method}", arguments)
    content, quantization = _convert(legacy, samples, classes, arguments)
    name = arguments.name or arguments.model.stem
    report = verify_and_write(
        legacy,
        content,
        samples.x,
        arguments.out,
        method=arguments.method,
        name=name,
        task="expression",
        labels=labels,
        version=arguments.model_version,
        pixel_range=(low, high),
        quantization=quantization,
        progress=not arguments.json,
    )
    (arguments.out / f".{name}-qat" / "qat.npz").unlink(missing_ok=True)
    if (arguments.out / f".{name}-qat").is_dir():
        (arguments.out / f".{name}-qat").rmdir()
    print(json.dumps({**report.as_dict(), "quantization": quantization}) if arguments.json else _table(report))
    return 0


def _convert(
    legacy: Any, samples: Samples, classes: int, arguments: argparse.Namespace
) -> tuple[bytes, dict[str, Any]]:
    import numpy as np

    from converter import export

    pixel_range = tuple(arguments.pixel_range)
    order = np.random.default_rng(arguments.seed).permutation(len(samples.x))
    if arguments.method == "float32":
        return export.float32(legacy), {}
    if arguments.method == "int8":
        # Sorted, so that the samples are read in the file's order.
        chosen = samples.x[np.sort(order[: arguments.calibration])]
        content = export.int8_calibrated(legacy, chosen, pixel_range=pixel_range)
        return content, {"calibration_samples": len(chosen), "seed": arguments.seed}
    return _fine_tuned(legacy, samples, classes, order, arguments)


def _fine_tuned(
    legacy: Any, samples: Samples, classes: int, order: npt.NDArray[np.intp], arguments: argparse.Namespace
) -> tuple[bytes, dict[str, Any]]:
    import numpy as np
    import tf_keras

    from converter import export, qat

    if len(order) < 2 * HELD_OUT:
        raise DataError(f"{arguments.data}: {len(order)} samples are too few for qat, which needs {2 * HELD_OUT}")
    targets = _targets(legacy, samples, classes)
    held, learned = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]

    def batches(epoch: int) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        shuffled = np.random.default_rng((arguments.seed, epoch)).permutation(learned)
        for begin in range(0, len(shuffled), arguments.batch):
            part = shuffled[begin : begin + arguments.batch]
            yield samples.x[part], targets[part]

    tf_keras.utils.set_random_seed(arguments.seed)
    tuned = qat.fine_tune(
        legacy,
        batches,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        steps_per_epoch=-(-len(learned) // arguments.batch),
        score=lambda model: qat.accuracy(model, samples.x[held], targets[held]),
        pixel_range=tuple(arguments.pixel_range),
        checkpoint=arguments.out / f".{arguments.name or arguments.model.stem}-qat",
        progress=not arguments.json,
    )
    return export.int8_from_qat(tuned.model), {
        "training_samples": len(learned),
        "targets": "float model" if samples.y is None else "labels",
        "epochs": arguments.epochs,
        "learning_rate": arguments.learning_rate,
        "seed": arguments.seed,
        "best_epoch": tuned.best_epoch,
        "validation_accuracy": tuned.best_score,
        "validation_samples": len(held),
    }


def _targets(legacy: Any, samples: Samples, classes: int) -> npt.NDArray[np.float32]:
    """Probabilities to learn, (n, classes): the data's own, or the float model's answers."""
    import numpy as np

    if samples.y is None:
        logits = legacy.predict(samples.x, batch_size=256, verbose=0)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: npt.NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
        return probabilities
    return np.eye(classes, dtype=np.float32)[samples.y] if samples.y.ndim == 1 else samples.y


def _image_classifier(legacy: Any, path: Path) -> tuple[tuple[int, ...], int]:
    """(height, width, channels) of the input and the number of outputs."""
    if len(legacy.inputs) != 1 or len(legacy.outputs) != 1:
        raise ModelError(
            f"{path}: has {len(legacy.inputs)} inputs and {len(legacy.outputs)} outputs; one of each is needed"
        )
    entry, out = tuple(legacy.input_shape[1:]), tuple(legacy.output_shape[1:])
    if len(entry) != 3 or None in entry:
        raise ModelError(
            f"{path}: takes input of shape {entry}; a picture of fixed (height, width, channels) is needed"
        )
    if len(out) != 1 or out[0] is None:
        raise ModelError(f"{path}: gives output of shape {out}; one logit per class is needed")
    return entry, int(out[0])


def _labels(text: str) -> tuple[str, ...]:
    path = Path(text)
    if "," not in text and path.is_file():
        text = ",".join(path.read_text(encoding="utf-8").split("\n"))
    labels = tuple(part.strip() for part in text.split(",") if part.strip())
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise DataError(f"--labels {text}: at least two different labels, or a file that holds one a line")
    return labels


def _table(report: Report) -> str:
    agreement = report.agreement
    operators = ", ".join(f"{count} {name}" for name, count in report.operators.items())
    return "\n".join(
        (
            f"{report.model}",
            f"  {'':22}{'float32':>12}{report.method:>12}",
            f"  {'size, kB':22}{report.float_size_bytes / 1000:>12.1f}{report.size_bytes / 1000:>12.1f}",
            f"  {'milliseconds, median':22}{report.float_milliseconds:>12.3f}{report.milliseconds:>12.3f}",
            f"  same top class          {agreement.top1:.4f} of {agreement.samples} samples",
            f"  logits differ           {agreement.mean_difference:.4f} mean, {agreement.max_difference:.4f} at most",
            f"  signal to noise         {agreement.sqnr_db:.1f} dB",
            f"  parameters              {report.parameters:,}",
            f"  multiply-adds           {report.multiply_adds:,}",
            f"  operators               {operators}",
            f"  in float                {', '.join(report.floating) or 'none'}",
        )
    )


def _say(text: str, arguments: argparse.Namespace) -> None:
    if not arguments.json:
        print(text, file=sys.stderr)


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
