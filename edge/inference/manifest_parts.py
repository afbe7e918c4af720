"""The parts of a manifest: what goes into a model and comes out, and how its answers are read.

`edge.inference.manifest` puts them together, and is where to import them from.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from edge.features.cells import CellGrid
from edge.features.logmel import LogMelSettings
from edge.features.token_ids import TextSettings

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """What every part of a manifest keeps to: unknown keys are refused, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorSpec(Part):
    """One tensor of the model file, and how its numbers map to real ones: real = scale * (stored - zero_point)."""

    shape: tuple[int, ...]
    """With the batch axis first, which is 1."""
    dtype: Literal["int8", "uint8", "int16", "float32", "int32"]
    """int32 for numbers that are looked up in a table, and nothing else."""
    scale: float = Field(default=1.0, gt=0)
    """Unit step of a quantised tensor; 1 for float."""
    zero_point: int = 0


class ImageInput(TensorSpec):
    """The picture that an image model takes."""

    color: Literal["gray"] = "gray"
    pixel_range: tuple[float, float] = (0.0, 1.0)
    """The real numbers that pixel values 0 and 255 stand for."""


class SpeechInput(TensorSpec):
    """The window of sound that a speech encoder takes: (1, frames, bands, 1), normalised as the settings say."""

    spectrogram: LogMelSettings


class SequenceInput(TensorSpec):
    """The windows' embeddings that a speech model takes: (1, windows, numbers), the oldest first."""

    encoder: str
    """Name of the model that makes them, in the folder speech-encoder beside this model's."""
    encoder_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class TextInput(TensorSpec):
    """The tokens that a text model takes: (1, length, pieces), the numbers of `edge.features.token_ids`."""

    dtype: Literal["int32"]
    text: TextSettings


class ArrayInput(TensorSpec):
    """What a model takes that was converted for another program: numbers, of which we know their form alone."""

    holds: Literal["gray", "rgb", "numbers"]
    """Pictures of one channel or three, or anything else."""
    real_range: tuple[float, float] | None = None
    """For pictures: the real numbers that pixel values 0 and 255 stand for."""


class Calibration(Part):
    """What turns logits into honest probabilities, fitted on validation data (PublicTest for FER-2013)."""

    link: Literal["softmax", "sigmoid"] = "softmax"
    """'softmax' where one label excludes the others; 'sigmoid' where each has a probability by itself."""
    temperature: float = Field(default=1.0, gt=0)
    """Logits are divided by it before the link (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""
    thresholds: tuple[Probability, ...] = ()
    """With 'sigmoid': for each label the probability from which on it counts as present; empty for one half each."""
    unsure_below: float = Field(default=0.0, ge=0, le=1)
    """Probabilities below this one are answered with 'unsure'."""
    fitted_on: str | None = None
    """The data that all of them were fitted on."""


class Detection(Part):
    """How a face detector's output is read; see `edge.features.cells`."""

    strides: tuple[PositiveInt, ...] = Field(min_length=1)
    """Pixels of the input from one cell to the next, for each map, the finest first."""
    sizes: tuple[PositiveFloat, ...]
    """The face size of each map in pixels of the input."""
    unit: PositiveFloat
    """What one step of a number other than the logit stands for."""
    threshold: float = Field(gt=0, lt=1)
    """Least score of a face."""
    overlap_limit: float = Field(ge=0, le=1)
    """Of two boxes that overlap by more (intersection over union), the surer one stays."""
    fitted_on: str | None = None
    """The data that the threshold was chosen on."""

    def grid(self, height: int, width: int) -> CellGrid:
        """The cells of an input of so many pixels; `ValueError` where strides, sizes and input do not fit together."""
        return CellGrid(height, width, self.strides, self.sizes, self.unit)


class Band(Part):
    """What a score is worth: how often texts whose score fell here came from writers above the middle."""

    score_from: Probability
    score_to: Probability
    """Not included, unless it is 1."""
    texts: PositiveInt
    """How many it was measured on, of writers that the model was not trained on."""
    share: Probability
    """Of them, above the middle."""
    low: Probability
    high: Probability
    """The 95 % Wilson interval of `share`."""

    @model_validator(mode="after")
    def _check(self) -> Band:
        if not self.score_from < self.score_to or not self.low <= self.share <= self.high:
            raise ValueError("needs score_from below score_to, and share between low and high")
        return self


class TraitScores(Part):
    """How far a trait model's scores can be trusted, as the evaluation measured it."""

    least_words: PositiveInt
    """Shorter texts are answered with 'too short'."""
    words_measured: PositiveInt
    """Median length of the texts that the bands were measured on."""
    bands: dict[str, tuple[Band, ...]]
    """Of each label; they follow each other from a score of 0 to one of 1."""

    @model_validator(mode="after")
    def _check(self) -> TraitScores:
        for label, bands in self.bands.items():
            ends = [0.0, *(band.score_to for band in bands)]
            if [band.score_from for band in bands] != ends[:-1] or ends[-1] != 1.0:
                raise ValueError(f"bands of '{label}' do not follow each other from 0 to 1")
        return self

    def band(self, label: str, score: float) -> Band:
        """The band that a score, 0 to 1, falls in."""
        return next(band for band in self.bands[label] if score < band.score_to or band.score_to == 1.0)


_OWN_KEYS: Final = {"spectrogram": SpeechInput, "encoder": SequenceInput, "text": TextInput, "holds": ArrayInput}
"""What only one kind of input has; pictures have none of these."""


def _input_kind(entry: object) -> str:
    """Of which kind an input is meant to be, so that what is wrong with it is told of that kind alone."""
    if isinstance(entry, TensorSpec):
        return type(entry).__name__
    keys = entry if isinstance(entry, dict) else {}
    return next((kind for key, kind in _OWN_KEYS.items() if key in keys), ImageInput).__name__


AnyInput = Annotated[
    Annotated[ImageInput, Tag("ImageInput")]
    | Annotated[SpeechInput, Tag("SpeechInput")]
    | Annotated[SequenceInput, Tag("SequenceInput")]
    | Annotated[TextInput, Tag("TextInput")]
    | Annotated[ArrayInput, Tag("ArrayInput")],
    Discriminator(_input_kind),
]
