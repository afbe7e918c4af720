"""The manifest: the JSON file beside each model that says what goes in, what comes out, and what it is worth.

It stands in for tflite-support's metadata, which is abandoned. `Manifest` is read on the device; the converter writes
it, and the evaluation command adds the figures and the calibration.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import ModelError
from edge.features.cells import VALUES
from edge.inference.manifest_parts import (
    AnyInput,
    ArrayInput,
    Band,
    Calibration,
    Detection,
    ImageInput,
    SequenceInput,
    SpeechInput,
    TensorSpec,
    TextInput,
    TraitScores,
)

__all__ = [
    "SCHEMA",
    "ArrayInput",
    "Band",
    "Calibration",
    "Detection",
    "ImageInput",
    "Manifest",
    "SequenceInput",
    "SpeechInput",
    "Task",
    "TensorSpec",
    "TextInput",
    "TraitScores",
    "file_sha256",
    "first_problem",
    "manifest_path",
    "read_manifest",
    "verify_model",
]

SCHEMA: Final = 1
"""The version of the manifest's form; a reader refuses one that it does not know."""

Task = Literal["expression", "face-detection", "speech-encoder", "speech-emotion", "text-emotion", "traits", "other"]
"""What a model is for; 'other' is for other programs than this one, which can verify and time it, no more."""

_INPUTS: Final[dict[Task, type[TensorSpec]]] = {
    "expression": ImageInput,
    "face-detection": ImageInput,
    "speech-encoder": SpeechInput,
    "speech-emotion": SequenceInput,
    "text-emotion": TextInput,
    "traits": TextInput,
    "other": ArrayInput,
}

_INPUT_NAMES: Final = {kind.__name__ for kind in _INPUTS.values()}
"""Which pydantic puts among the keys of what it complains of, although no manifest has them."""


class Manifest(BaseModel):
    """What the runtime and a reader need to know about one model file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = SCHEMA
    name: str
    task: Task
    version: str
    file: str
    """Name of the model file, in the manifest's own folder."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the model file, hexadecimal."""
    size_bytes: int = Field(gt=0)
    labels: tuple[str, ...] = ()
    """In the order of the model's outputs; face detectors and speech encoders have none, others need none."""
    input: AnyInput
    ratings: tuple[str, ...] = ()
    """For text emotion models only: what the outputs behind the labels' rate on a scale from 1 to 5, of which an output
    tells the distance to 3."""
    output: TensorSpec
    """Logits, one per label; or a face detector's numbers, (1, cells, 15); or a speech encoder's embedding, (1, n)."""
    calibration: Calibration = Calibration()
    detection: Detection | None = None
    """For face detectors only."""
    traits: TraitScores | None = None
    """For trait models only, which answer nothing until the evaluation has written it."""
    parameters: int | None = None
    """Weights of the float model."""
    multiply_adds: int | None = None
    """Multiply-add operations of one inference."""
    training: dict[str, Any] = {}
    """Recipe, seed, data and their terms."""
    quantization: dict[str, Any] = {}
    """Method, calibration set, and the agreement with the float model."""
    evaluation: dict[str, Any] = {}
    """Figures with their protocol, written by `affect-edge evaluate`, one entry per data split."""
    limits: str = ""
    """What the model cannot tell, and where the law does not let it be used."""

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        if Path(self.file).name != self.file:
            raise ValueError(f"file: '{self.file}' must be a plain name in the manifest's folder")
        kind = _INPUTS[self.task]
        if not isinstance(self.input, kind):
            raise ValueError(f"input: the task '{self.task}' needs {kind.__name__}'s keys")
        for end, tensor in (("input", self.input), ("output", self.output)):
            if tensor.dtype == "int32" and not isinstance(tensor, (TextInput, ArrayInput)):
                raise ValueError(f"{end}.dtype: only a text model's input is int32")
        if self.traits is not None and self.task != "traits":
            raise ValueError(f"traits: the task '{self.task}' has no use for it")
        if self.detection is not None and self.task != "face-detection":
            raise ValueError(f"detection: the task '{self.task}' has no use for it")
        if self.ratings and self.task != "text-emotion":
            raise ValueError(f"ratings: the task '{self.task}' has no use for them")
        self._check_calibration(link="sigmoid" if kind is TextInput else "softmax")
        if self.task == "face-detection":
            self._check_detector()
        elif self.task == "speech-encoder":
            self._check_encoder()
        elif self.task == "other":
            self._check_other()
        else:
            self._check_classifier()
        if isinstance(self.input, TextInput):
            self._check_text(self.input)
        return self

    @property
    def image_input(self) -> ImageInput:
        """The input of an image model; `ModelError` for others."""
        if not isinstance(self.input, ImageInput):
            raise ModelError(f"model '{self.name}': made for the task '{self.task}', which takes no picture")
        return self.input

    @property
    def text_input(self) -> TextInput:
        """The input of a text model; `ModelError` for others."""
        if not isinstance(self.input, TextInput):
            raise ModelError(f"model '{self.name}': made for the task '{self.task}', which takes no text")
        return self.input

    def _check_calibration(self, *, link: str) -> None:
        found = self.calibration
        if found.link != link:
            raise ValueError(f"calibration.link: the task '{self.task}' needs '{link}', not '{found.link}'")
        if found.thresholds and link != "sigmoid":
            raise ValueError(f"calibration.thresholds: the task '{self.task}' has no use for them")
        if found.thresholds and len(found.thresholds) != len(self.labels):
            raise ValueError(f"calibration.thresholds: {len(found.thresholds)} for {len(self.labels)} labels")

    def _check_text(self, entry: TextInput) -> None:
        expected = (1, entry.text.length, entry.text.pieces)
        if entry.shape != expected:
            raise ValueError(f"input.shape: {list(entry.shape)} where input.text gives {list(expected)}")
        if self.traits is not None and tuple(self.traits.bands) != self.labels:
            raise ValueError(f"traits.bands: are of {list(self.traits.bands)}, the labels are {list(self.labels)}")

    def _check_classifier(self) -> None:
        if len(self.labels) < 2:
            raise ValueError(f"labels: the task '{self.task}' needs at least 2, not {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label stands twice")
        if len({*self.labels, *self.ratings}) != len(self.labels) + len(self.ratings):
            raise ValueError("ratings: a name stands twice, or is a label's")
        if self.output.shape != (1, len(self.labels) + len(self.ratings)):
            outputs = "x".join(str(side) for side in self.output.shape[1:])
            named = f"{len(self.labels)} labels" + (f" and {len(self.ratings)} ratings" if self.ratings else "")
            raise ValueError(f"output.shape: {named} for {outputs} outputs")

    def _check_other(self) -> None:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label stands twice")
        if self.labels and self.output.shape[-1] != len(self.labels):
            raise ValueError(f"output.shape: {len(self.labels)} labels for {self.output.shape[-1]} outputs")

    def _check_encoder(self) -> None:
        assert isinstance(self.input, SpeechInput)
        spectrogram = self.input.spectrogram
        expected = (1, spectrogram.frames, spectrogram.bands, 1)
        if self.input.shape != expected:
            raise ValueError(f"input.shape: {list(self.input.shape)} where input.spectrogram gives {list(expected)}")
        if spectrogram.step < 4 or spectrogram.bands < 2:
            raise ValueError("input.spectrogram: the speech gate needs steps of at least 4 frames, and 2 bands")
        if len(self.output.shape) != 2:
            raise ValueError(f"output.shape: {list(self.output.shape)} is not [1, numbers]")

    def _check_detector(self) -> None:
        if self.detection is None:
            raise ValueError("detection: missing; a face detector needs it")
        if len(self.input.shape) != 4:
            raise ValueError(f"input.shape: {list(self.input.shape)} is not [1, height, width, 1]")
        try:
            grid = self.detection.grid(*self.input.shape[1:3])
        except ValueError as error:
            raise ValueError(f"detection: {error}") from None
        expected = (1, sum(grid.counts), VALUES)
        if self.output.shape != expected:
            raise ValueError(
                f"output.shape: {list(self.output.shape)} where detection.strides {list(grid.strides)} give "
                f"{list(expected)}"
            )

    def write(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        partial = path.with_suffix(path.suffix + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def manifest_path(model: Path) -> Path:
    """Where the manifest of a model file lies: beside it, with the suffix .json."""
    return model.with_suffix(".json")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises
    ------
    ModelError
        The file is missing, not JSON, of an unknown schema, or breaks a rule of the schema; the message names the key.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such manifest; a model needs one beside it") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: not a readable JSON manifest: {error}") from None
    if not isinstance(document, dict):
        raise ModelError(f"{path}: a manifest is a JSON object, not {type(document).__name__}")
    if document.get("schema_version") != SCHEMA:
        raise ModelError(
            f"{path}: schema_version {document.get('schema_version')!r} is not known to this version, which reads "
            f"{SCHEMA}; update affect-edge or convert the model again"
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise ModelError(f"{path}: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong with a manifest, its key in front."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if part not in _INPUT_NAMES)
    # What the checks across keys say begins with the key itself, behind pydantic's words.
    message = first["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message


def verify_model(model: Path, *, task: Task | None = None) -> Manifest:
    """Check a model file against its manifest and return the manifest.

    Parameters
    ----------
    model
        The .tflite file; its manifest lies beside it.
    task
        The task that the caller needs it for, or None for any.

    Raises
    ------
    ModelError
        The file is missing, truncated or altered, or made for another task.
    """
    if not model.is_file():
        raise ModelError(f"{model}: no such model file; `affect-edge models` lists those installed")
    manifest = read_manifest(manifest_path(model))
    if task is not None and manifest.task != task:
        raise ModelError(f"{model}: made for the task '{manifest.task}', not for '{task}'")
    size = model.stat().st_size
    if size != manifest.size_bytes:
        raise ModelError(
            f"{model}: has {size} bytes where its manifest says {manifest.size_bytes}: truncated or replaced; "
            "copy or install it again"
        )
    if file_sha256(model) != manifest.sha256:
        raise ModelError(f"{model}: its sha256 differs from its manifest's: altered or damaged; install it again")
    return manifest
