"""List the installed models, check that they are whole, and read what they can and cannot do.

Models are looked for in $AFFECT_EDGE_MODELS, in the models/ folder of a checkout, and where pip installed them. NAME is
a model's name or the path of a .tflite file.

  affect-edge models                        # what is installed, with its measured accuracy
  affect-edge models verify                 # hash, loading and tensors of each; exit 1 if one is bad
  affect-edge models card expression        # its model card: data, accuracy, limits of use
  affect-edge models list --json            # for programs, with the whole manifest
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, cast

from edge.errors import ModelError

if TYPE_CHECKING:
    from edge.inference.catalog import InstalledModel
    from edge.inference.manifest import Manifest, Task

HELP = "list the installed models, verify them, print a model card"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", nargs="?", choices=("list", "verify", "card"), default="list", help="what to do (default: list)"
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="one model only: its name, or the path of a .tflite file"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON value instead of text")


def run(arguments: argparse.Namespace) -> int:
    models = _chosen(arguments.name)
    if arguments.action == "card":
        return _card(models, as_json=arguments.json)
    if arguments.action == "verify":
        return _verify(models, as_json=arguments.json)
    return _list(models, as_json=arguments.json)


def _chosen(name: str | None) -> list[InstalledModel]:
    from edge.inference.catalog import InstalledModel, find_model, list_models, model_folders

    installed = list_models()
    if name is None:
        if not installed:
            raise ModelError(f"no model is installed; looked in {', '.join(str(folder) for folder in model_folders())}")
        return installed
    if named := [model for model in installed if model.name == name]:
        return named
    if "/" not in name and not name.endswith(".tflite"):
        raise ModelError(f"no model '{name}'; installed are: {', '.join(model.name for model in installed) or 'none'}")
    path = find_model(name=name)
    return [InstalledModel(task="", name=path.stem, path=path)]


def _list(models: list[InstalledModel], *, as_json: bool) -> int:
    from edge.inference.manifest import read_manifest

    manifests: list[Manifest | None] = []
    rows: list[dict[str, Any]] = []
    for model in models:
        row: dict[str, Any] = {"task": model.task, "name": model.name, "path": str(model.path)}
        manifest = None
        try:
            manifest = read_manifest(model.manifest)
            row |= {"task": manifest.task, "manifest": manifest.model_dump(mode="json")}
        except ModelError as error:
            row["error"] = str(error)
        manifests.append(manifest)
        rows.append(row)
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        for model, manifest, row in zip(models, manifests, rows, strict=True):
            if manifest:
                _describe(model, manifest)
            else:
                print(row["error"], file=sys.stderr)
    return int(None in manifests)


def _describe(model: InstalledModel, manifest: Manifest) -> None:
    parameters = f", {manifest.parameters / 1e3:,.0f} k parameters" if manifest.parameters else ""
    print(f"{_label(model)} {manifest.version}")
    print(f"  size      {manifest.size_bytes / 1e6:.2f} MB{parameters}")
    print(f"  input     {_input(manifest)}")
    if manifest.labels:
        print(f"  labels    {', '.join(manifest.labels)}")
    if manifest.ratings:
        print(f"  rates     {', '.join(manifest.ratings)} (1 to 5)")
    if manifest.detection:
        print(f"  finds     faces with a score from {manifest.detection.threshold:g}")
    if manifest.traits:
        print(f"  scores    texts from {manifest.traits.least_words} words on")
    if manifest.task == "speech-encoder":
        print(f"  gives     {manifest.output.shape[1]} numbers to a speech-emotion model, and is measured with it")
    else:
        print(f"  measured  {_figures(manifest) or 'not yet'}")
    print(f"  path      {model.path}")


def _input(manifest: Manifest) -> str:
    from edge.inference.manifest import ArrayInput, ImageInput, SpeechInput, TextInput

    entry = manifest.input
    shape = "x".join(str(side) for side in entry.shape[1:])
    if isinstance(entry, ImageInput):
        return f"{shape} {entry.color} {entry.dtype}"
    if isinstance(entry, ArrayInput):
        return f"{shape} {entry.holds if entry.holds != 'numbers' else ''} {entry.dtype}".replace("  ", " ")
    if isinstance(entry, SpeechInput):
        sound = entry.spectrogram
        window = ((sound.frames - 1) * sound.hop + sound.fft) / sound.rate
        return f"{shape} {entry.dtype}, the log-mel spectrogram of {window:.1f} s at {sound.rate / 1000:g} kHz"
    if isinstance(entry, TextInput):
        text = entry.text
        pieces = f", {text.pieces - 1} pieces of each" if text.pieces > 1 else ""
        return f"{text.length} tokens of text at once, {len(text.words):,} words in the vocabulary{pieces}"
    return f"{shape} {entry.dtype}, from speech-encoder/{entry.encoder}"


_FIGURES = {
    "face-detection": "average_precision",
    "speech-emotion": "unweighted_average_recall",
    "text-emotion": "macro_f1",
}


def _figures(manifest: Manifest) -> str:
    """What the evaluation command wrote, one figure per data split: 'accuracy PrivateTest 0.671, PublicTest 0.663'."""
    key = _FIGURES.get(manifest.task, "accuracy")
    found = [
        f"{split} {figures[key]:.3f}"
        for split, figures in manifest.evaluation.items()
        if isinstance(figures, dict) and isinstance(figures.get(key), float)
    ]
    return f"{key.replace('_', ' ')} {', '.join(found)}" if found else ""


def _verify(models: list[InstalledModel], *, as_json: bool) -> int:
    from edge.inference.interpreter import load_model

    answers = []
    for model in models:
        answer: dict[str, Any] = {"task": model.task, "name": model.name, "path": str(model.path), "ok": True}
        try:
            # The folder is part of the check: a model in another task's folder would be found for that task.
            interpreter, _ = load_model(model.path, task=cast("Task | None", model.task or None))
            answer["runtime"] = interpreter.runtime
        except ModelError as error:
            answer |= {"ok": False, "error": str(error)}
        answers.append(answer)
        if not as_json:
            if answer["ok"]:
                print(f"{_label(model)}: ok (sha256, loads in {answer['runtime']}, tensors as its manifest says)")
            else:
                print(answer["error"], file=sys.stderr)
    if as_json:
        print(json.dumps(answers, ensure_ascii=False))
    return int(not all(answer["ok"] for answer in answers))


def _label(model: InstalledModel) -> str:
    return f"{model.task}/{model.name}" if model.task else str(model.path)


def _card(models: list[InstalledModel], *, as_json: bool) -> int:
    cards = {_label(model): _read_card(model) for model in models}
    if as_json:
        print(json.dumps(cards, ensure_ascii=False))
    else:
        print("\n".join(text.rstrip() + "\n" for text in cards.values()), end="")
    return 0


def _read_card(model: InstalledModel) -> str:
    try:
        return model.card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{model.card}: no readable model card: {error}") from None
