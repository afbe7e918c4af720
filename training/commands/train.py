"""Train a model from a recipe: float training, quantization-aware fine-tuning, int8 export, manifest.

RECIPE is the name of a recipe that comes along or a .toml file. A run keeps everything in one folder: the checkpoint
(a run that is stopped, or killed at any moment, goes on from the last epoch when the same command is given again), the
float model, the curves as PNG, and the int8 file with its manifest.

For 'expression', DIR holds fer2013.csv (and fer2013new.csv, FER+'s votes, which help), or train/<class>/*.jpg folders.

examples:
  affect-edge train expression --data fer2013/                     two cores take one to two hours
  affect-edge train expression --data fer2013/ --epochs 1 --out /tmp/try     see that everything works
  affect-edge train mine.toml --data fer2013/ --models models/expression     write the model into a checkout
then:
  affect-edge evaluate runs/expression/expression.tflite --data fer2013/ --calibrate --write-manifest
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "train a model from a recipe, quantise it, export int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe's name, such as 'expression', or a .toml file")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the public data set")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/<recipe>)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder for the int8 file (default: the run's)")
    parser.add_argument("--epochs", type=int, metavar="N", help="float epochs, in place of the recipe's")
    parser.add_argument("--qat-epochs", type=int, metavar="N", help="quantization-aware epochs, likewise")
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the recipe's")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    from edge.errors import MissingDependencyError
    from training.recipe import override, read_recipe

    recipe = override(
        read_recipe(arguments.recipe), epochs=arguments.epochs, qat_epochs=arguments.qat_epochs, seed=arguments.seed
    )
    try:
        from converter import environment

        # Before anything imports TensorFlow: legacy Keras has to stand behind tf.keras for the quantisation.
        environment.prepare()
        from training import expression, quantize
        from training.datasets.fer2013 import read_faces
    except ModuleNotFoundError as error:
        raise MissingDependencyError(error.name or "keras", "train", "training") from None

    progress = not arguments.quiet and sys.stderr.isatty()
    out = arguments.out or Path("runs") / recipe.name
    data = expression.prepare(read_faces(arguments.data, progress=progress), recipe.targets)
    print(f"training on {len(data.images)} faces, cleaned: {data.cleaning.as_dict()}")
    model, state = expression.train_float(recipe, data, out, progress=progress)
    float_model = out / f"{recipe.name}.keras"
    model.save(float_model)
    print(f"{float_model}: validation accuracy {state.best_accuracy:.4f}, epoch {state.best_epoch} of {state.epoch}")
    written = quantize.quantize_expression(recipe, model, state, data, out, arguments.models or out, progress=progress)
    print(f"{written.path}: {written.path.stat().st_size} bytes, {written.summary}")
    print(f"next: affect-edge evaluate {written.path} --data {arguments.data} --calibrate --write-manifest")
    return 0
