"""Train a model from a recipe: float training, quantization-aware fine-tuning, int8 export, manifest.

RECIPE is the name of a recipe that comes along or a .toml file. A run keeps everything in one folder: the checkpoint
(a run that is stopped, or killed at any moment, goes on from the last epoch when the same command is given again), the
float model, the curves as PNG, and the int8 file with its manifest.

For 'expression', DIR holds fer2013.csv (and fer2013new.csv, FER+'s votes, which help), or train/<class>/*.jpg folders.
For 'face_near' and 'face_far', DIR holds train.csv (boxes and landmarks), train_ignore.csv and images/; face_far begins
with the weights of face_near, whose run has to lie beside its own.
For 'speech', DIR holds RAVDESS, CREMA-D and ESC-10 under their public file names (wav, flac or ogg), in any folders;
the model is two files, speech-encoder/<name>.tflite and speech-emotion/<name>.tflite, below the folder for models.
For 'text', DIR holds GoEmotions' train.tsv, dev.tsv and test.tsv with labels.txt (packed or not), in any folder; word
vectors in GloVe's text format are begun with where --vectors names a file of them. For 'traits', DIR holds essays.csv;
ten folds are trained before the model itself, for that is how its figures are found.

examples:
  affect-edge train expression --data fer2013/                     two cores take one to two hours
  affect-edge train face_near --data photographs/ && affect-edge train face_far --data photographs/
  affect-edge train expression --data fer2013/ --epochs 1 --out /tmp/try     see that everything works
  affect-edge train mine.toml --data fer2013/ --models models/expression     write the model into a checkout
  affect-edge train text --data goemotions/ --models models/text-emotion     a quarter of an hour
then:
  affect-edge evaluate runs/expression/expression.tflite --data fer2013/ --calibrate --write-manifest
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from training.fit import Progress
    from training.quantize import Written
    from training.recipe import DetectorRecipe, ExpressionRecipe, Recipe, SpeechRecipe, TextRecipe, TraitsRecipe

HELP = "train a model from a recipe, quantise it, export int8"

PACKAGES = ("keras", "matplotlib", "scipy", "sklearn", "tensorflow", "tf_keras", "tensorflow_model_optimization")
"""What the `train` extra brings; looked for at the start, not met after the first hour."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe's name, such as 'expression', or a .toml file")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the public data set")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/<recipe>)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder for the int8 file (default: the run's)")
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="for text: word vectors that its words begin with")
    parser.add_argument("--epochs", type=int, metavar="N", help="float epochs, in place of the recipe's")
    parser.add_argument("--qat-epochs", type=int, metavar="N", help="quantization-aware epochs, likewise")
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the recipe's")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    from training.recipe import DetectorRecipe, SpeechRecipe, TextRecipe, TraitsRecipe, override, read_recipe

    recipe = override(
        read_recipe(arguments.recipe), epochs=arguments.epochs, qat_epochs=arguments.qat_epochs, seed=arguments.seed
    )
    require_packages()
    from converter import environment

    # Before anything imports TensorFlow: legacy Keras has to stand behind tf.keras for the quantisation.
    environment.prepare()
    out: Path = arguments.out or Path("runs") / recipe.name
    models: Path = arguments.models or out
    progress = not arguments.quiet and sys.stderr.isatty()
    if isinstance(recipe, DetectorRecipe):
        return _train_detector(recipe, arguments.data, out, models, progress=progress)
    if isinstance(recipe, SpeechRecipe):
        return _train_speech(recipe, arguments.data, out, models, progress=progress)
    if isinstance(recipe, TextRecipe):
        return _train_text(recipe, arguments.data, arguments.vectors, out, models, progress=progress)
    if isinstance(recipe, TraitsRecipe):
        return _train_traits(recipe, arguments.data, arguments.vectors, out, models, progress=progress)
    return _train_expression(recipe, arguments.data, out, models, progress=progress)


def _train_expression(recipe: ExpressionRecipe, folder: Path, out: Path, models: Path, *, progress: bool) -> int:
    from training.datasets.fer2013 import read_faces

    faces = read_faces(folder, progress=progress)
    _make_folders(out, models)
    from training import expression, quantize

    data = expression.prepare(faces, recipe.targets)
    print(f"training on {len(data.images)} faces, cleaned: {data.cleaning.as_dict()}")
    with _writing(out):
        model, state = expression.train_float(recipe, data, out, progress=progress)
        _save_float(model, recipe, state, data.validation.metric, out)
        written = quantize.quantize_expression(recipe, model, state, data, out, models, progress=progress)
    _tell(written, f"--data {folder} --calibrate --write-manifest")
    return 0


def _train_detector(recipe: DetectorRecipe, folder: Path, out: Path, models: Path, *, progress: bool) -> int:
    from training import detector, quantize_detector

    data = detector.prepare(folder, recipe, progress=progress)
    start = out.parent / recipe.start / f"{recipe.start}.keras" if recipe.start else None
    _make_folders(out, models)
    print(f"training on {len(data.photos)} photographs, choosing by {len(data.validation.photos)}")
    with _writing(out):
        model, state = detector.train_float(recipe, data, out, start=start, progress=progress)
        _save_float(model, recipe, state, data.validation.metric, out)
        written = quantize_detector.quantize_detector(recipe, model, state, data, out, models, progress=progress)
    _tell(written, f"--data {folder} --write-manifest")
    return 0


def _train_speech(recipe: SpeechRecipe, folder: Path, out: Path, models: Path, *, progress: bool) -> int:
    from training import quantize_speech, speech

    splits = speech.split(*speech.read(folder, recipe, progress=progress), recipe)
    start = out.parent / recipe.start / f"{recipe.start}.keras" if recipe.start else None
    _make_folders(out, models)
    print(f"training on {len(splits.train)} recordings, choosing by {len(splits.validation)}")
    with _writing(out):
        net, state = speech.train_float(recipe, splits, out, start=start, progress=progress)
        _save_float(net.full, recipe, state, speech.SpeechValidation.metric, out)
        written = quantize_speech.quantize_speech(recipe, net, state, splits, out, models, progress=progress)
    _tell(written, f"--data {folder} --calibrate --write-manifest")
    return 0


def _train_text(
    recipe: TextRecipe, folder: Path, vectors: Path | None, out: Path, models: Path, *, progress: bool
) -> int:
    from training import quantize_text, text

    splits = text.prepare(folder, recipe)
    _make_folders(out, models)
    words = len(splits.settings.words)
    print(f"training on {len(splits.tokens)} texts with {words} words, choosing by {len(splits.validation)}")
    with _writing(out):
        model, state = text.train_float(recipe, splits, out, vectors=vectors, progress=progress)
        _save_float(model, recipe, state, text.TextValidation.metric, out)
        written = quantize_text.quantize_text(recipe, model, state, splits, models, progress=progress)
    _tell(written, f"--data {folder} --calibrate --write-manifest")
    return 0


def _train_traits(
    recipe: TraitsRecipe, folder: Path, vectors: Path | None, out: Path, models: Path, *, progress: bool
) -> int:
    from training import traits
    from training.datasets import essays

    data = essays.read(folder)
    _make_folders(out, models)
    print(f"{len(data)} essays: ten folds, then the model itself")
    with _writing(out):
        held_out = traits.measure(recipe, data, out, vectors=vectors, progress=progress)
        path, report = traits.finish(recipe, data, held_out, out, models, vectors=vectors, progress=progress)
    print(report.as_text())
    print(f"{path}: {path.stat().st_size} bytes")
    return 0


def _make_folders(*folders: Path) -> None:
    for folder in folders:
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)


def _save_float(model: keras.Model, recipe: Recipe, state: Progress, metric: str, out: Path) -> None:
    from training.fit import save_float

    path = out / f"{recipe.name}.keras"
    save_float(model, path)
    print(f"{path}: validation {metric} {state.best_score:.4f}, epoch {state.best_epoch} of {state.epoch}")


def _tell(written: Written, evaluation: str) -> None:
    print(f"{written.path}: {written.path.stat().st_size} bytes, {written.summary}")
    print(f"next: affect-edge evaluate {written.path} {evaluation}")


def require_packages() -> None:
    """Raise `MissingDependencyError` for the first package of the `train` extra that is not installed."""
    from edge.errors import MissingDependencyError

    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingDependencyError(package, "train", "training")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Tell in one line what the disk refuses."""
    from edge.errors import AffectEdgeError

    try:
        yield
    except OSError as error:
        name, reason = error.filename or folder, error.strerror or str(error).partition("\n")[0]
        raise AffectEdgeError(
            f"{name}: cannot be written: {reason}; free space or name another folder with --out"
        ) from None
