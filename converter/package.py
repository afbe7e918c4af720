"""A model file and its manifest, written together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from converter import environment
from edge.errors import ModelError
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import (
    ArrayInput,
    Calibration,
    Detection,
    ImageInput,
    Manifest,
    SequenceInput,
    SpeechInput,
    Task,
    TensorSpec,
    TextInput,
    TraitScores,
    file_sha256,
    first_problem,
    manifest_path,
    verify_model,
)


def write_package(
    content: bytes,
    folder: Path,
    *,
    name: str,
    task: Task,
    labels: Sequence[str] = (),
    ratings: Sequence[str] = (),
    version: str,
    quantization: Mapping[str, Any],
    parameters: int | None = None,
    multiply_adds: int | None = None,
    pixel_range: tuple[float, float] = (0.0, 1.0),
    takes: tuple[type[SpeechInput | SequenceInput | TextInput | ArrayInput], Mapping[str, Any]] | None = None,
    calibration: Calibration | None = None,
    detection: Detection | None = None,
    traits: TraitScores | None = None,
    training: Mapping[str, Any] | None = None,
    limits: str = "",
) -> Path:
    """Write `<name>.tflite` and `<name>.json` into a folder, both whole or none.

    Parameters
    ----------
    content
        The .tflite file, from `converter.export`.
    labels
        In the order of the model's outputs; a face detector needs none, and neither does the task 'other'.
    ratings
        What a text emotion model's outputs behind those of its labels rate.
    quantization
        Method, calibration count, agreement and so on; the versions of the packages are added.
    takes
        What kind of input other than a picture, and what the manifest says of it beside its tensor.
    calibration
        How logits become probabilities; None for a softmax with nothing fitted yet.
    detection
        How a face detector's output is read.
    traits
        What a trait model's scores are worth.

    Returns
    -------
    Path of the model file; it passes `verify_model`.

    Raises
    ------
    ModelError
        The folder cannot be written, labels or `detection` do not fit the outputs, or the runtime cannot take the file.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ModelError(f"model name '{name}' must be a plain file name")
    model = folder / f"{name}.tflite"
    partial = folder / f"{name}.tflite.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{folder}: cannot be made: {error.strerror}; name another folder for the model") from None
    try:
        partial.write_bytes(content)
        manifest = _describe(
            partial,
            file=model.name,
            name=name,
            task=task,
            labels=tuple(labels),
            ratings=tuple(ratings),
            version=version,
            takes=takes or (ImageInput, {"pixel_range": pixel_range}),
            calibration=calibration or Calibration(),
            detection=detection,
            traits=traits,
            parameters=parameters,
            multiply_adds=multiply_adds,
            training=dict(training or {}),
            quantization={**quantization, "versions": environment.versions()},
            limits=limits,
        )
        # The manifest goes first: with a kill in between, its sha256 tells that the model is not the one it describes.
        manifest.write(manifest_path(model))
        partial.replace(model)
    except OSError as error:
        raise ModelError(f"{model}: cannot be written: {error.strerror}; free space or name another folder") from None
    finally:
        partial.unlink(missing_ok=True)
        manifest_path(model).with_suffix(".json.partial").unlink(missing_ok=True)
    verify_model(model, task=task)
    return model


def _describe(
    path: Path,
    *,
    takes: tuple[type[ImageInput | SpeechInput | SequenceInput | TextInput | ArrayInput], Mapping[str, Any]],
    **keys: Any,
) -> Manifest:
    interpreter = load_interpreter(path)
    entry, out = interpreter.input, interpreter.output
    kind, more = takes
    if kind is ImageInput and (len(entry.shape) != 4 or entry.shape[3] != 1):
        raise ModelError(f"model '{keys['name']}': input shape {entry.shape}; the runtime takes (1, height, width, 1)")
    try:
        return Manifest(
            sha256=file_sha256(path),
            size_bytes=path.stat().st_size,
            input=kind(
                shape=entry.shape,
                dtype=entry.dtype.name,
                scale=entry.scale,
                zero_point=entry.zero_point,
                **more,
            ),
            output=TensorSpec(shape=out.shape, dtype=out.dtype.name, scale=out.scale, zero_point=out.zero_point),
            **keys,
        )
    except ValidationError as error:
        raise ModelError(f"model '{keys['name']}': manifest: {first_problem(error)}") from None
