"""The parts of a recipe: networks, targets, augmentation, data, schedules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"


class Part(BaseModel):
    """What all parts have: unknown keys are refused, and types are not guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Network(Part):
    """Which expression network, and how large."""

    architecture: Literal["expression_net"] = "expression_net"
    width: float = Field(default=1.0, gt=0, le=2)
    """Factor on the number of channels."""
    dropout: Fraction = 0.3


class Targets(Part):
    """What the network is asked to answer."""

    vote_weight: Fraction = 0.3
    """Part of the target that comes from FER+'s votes, where there are any; the rest is FER-2013's label."""
    label_smoothing: Fraction = 0.05
    balance: Fraction = 0.0
    """0 leaves the classes as they are; 1 weights them all the same; between, a power of it."""


class Augmentation(Part):
    """What is done to a face before the network sees it."""

    flip: bool = True
    rotation_degrees: float = Field(default=12, ge=0, le=45)
    scale: float = Field(default=0.15, ge=0, le=1)
    """Natural logarithm of the largest zoom, in or out."""
    stretch: float = Field(default=0.06, ge=0, le=1)
    shift_pixels: float = Field(default=4, ge=0, le=16)
    contrast: Fraction = 0.3
    brightness: Fraction = 0.12
    gamma: float = Field(default=0.25, ge=0, le=2)
    blur_probability: Fraction = 0.1
    noise_probability: Fraction = 0.1
    cutout_probability: Fraction = 0.5
    cutout_pixels: int = Field(default=18, ge=2, le=40)
    mixup_probability: Fraction = 0.3
    mixup_alpha: float = Field(default=0.3, gt=0)

    def calm(self) -> Augmentation:
        """The same without what no camera ever shows: mixed faces and cut-out squares."""
        return self.model_copy(update={"mixup_probability": 0.0, "cutout_probability": 0.0})


class DetectorNetwork(Part):
    """Which detection network, how large, and for which input."""

    architecture: Literal["face_detector"] = "face_detector"
    height: int = Field(default=128, ge=32, multiple_of=32)
    """Of the input in pixels."""
    width: int = Field(default=160, ge=32, multiple_of=32)
    channels: tuple[int, int, int, int] = Field(default=(24, 48, 96, 128), strict=False)
    """At 1/4, 1/8, 1/16 and 1/32 of the resolution."""
    head: int = Field(default=48, ge=8)
    """Channels of the maps that faces are read from."""


_Range = Annotated[tuple[float, float], Field(strict=False)]


class DetectorTargets(Part):
    """Which cells are asked for a face, and what their errors count."""

    sizes: tuple[float, float, float] = Field(default=(16.0, 40.0, 100.0), strict=False)
    """The face size of each map in pixels: the unit of its lengths."""
    ranges: tuple[_Range, _Range, _Range] = Field(default=((0, 28), (22, 70), (56, 1e9)), strict=False)
    """Larger sides of the faces, in pixels, that each map is asked for; they overlap."""
    radius: float = Field(default=0.35, gt=0)
    """Cells within this part of a face's sides around its middle are asked for it, and the nearest ones anyway."""
    radius_cells: float = Field(default=0.75, ge=0.5)
    """The nearest ones: within so many strides."""
    least_pixels: float = Field(default=6, ge=0)
    """Faces whose larger side is below are left out of the loss."""
    box_weight: float = Field(default=2.0, ge=0)
    landmark_weight: float = Field(default=4.0, ge=0)


class SceneAugmentation(Part):
    """How photographs become scenes; what names no unit is a probability."""

    mosaic: Fraction = 0.2
    paste: Fraction = 0.25
    empty: Fraction = 0.12
    """The rest are photographs placed alone."""
    empty_tile: Fraction = 0.3
    filled: Fraction = 0.8
    """That a photograph takes at least `filled_part` of the scene's sides."""
    filled_part: Fraction = 0.6
    backdrop: Fraction = 0.6
    """Of a picture without faces behind a photograph that leaves a part free."""
    face_pixels_min: float = Field(default=7, gt=0)
    face_part_max: float = Field(default=0.95, gt=0)
    """Largest face, as a part of the scene's shorter side."""
    zoom_max: float = Field(default=2.5, gt=0)
    """Most that a photograph is enlarged."""
    paste_most: int = Field(default=6, ge=1)
    """Heads pasted on one picture at most."""
    paste_context: float = Field(default=1.6, ge=1)
    """Side of a pasted head in face sizes."""
    cut_by_border: Fraction = 0.2
    tilted: Fraction = 0.3
    rotation_max: float = Field(default=40, ge=0, le=180)
    """Degrees; of those tilted, drawn evenly."""
    rotation_usual: float = Field(default=8, ge=0)
    """Degrees; standard deviation of the others."""
    occlusion: Fraction = 0.12
    blur: Fraction = 0.2
    coarse: Fraction = 0.1
    gamma: float = Field(default=0.4, ge=0, le=2)
    contrast: Fraction = 0.4
    brightness: Fraction = 0.15
    low_light: Fraction = 0.1
    shade: Fraction = 0.2
    noise: Fraction = 0.2
    jpeg: Fraction = 0.15


class DetectorData(Part):
    """Which sources are held out; the others train."""

    test_sources: tuple[str, ...] = Field(strict=False, min_length=1)
    """Scored once, at the end."""
    validation_sources: tuple[str, ...] = Field(strict=False, min_length=1)
    """These choose among epochs and set the threshold."""


class SpeechNetwork(Part):
    """Which speech network, and how large."""

    architecture: Literal["speech_net"] = "speech_net"
    channels: tuple[int, int, int, int] = Field(default=(16, 32, 64, 96), strict=False)
    """Of the encoder's four blocks."""
    embedding: int = Field(default=96, ge=8)
    lstm: int = Field(default=64, ge=8)
    """Units of each of the two LSTM layers."""
    windows: int = Field(default=6, ge=2)
    """Windows that are seen at once."""
    dropout: Fraction = 0.3


class SpeechData(Part):
    """Which recordings, and who is held out."""

    corpora: tuple[Literal["ravdess", "crema-d", "sounds"], ...] = Field(strict=False, min_length=1)
    labels: tuple[str, ...] = Field(strict=False, min_length=2)
    """In the order of the outputs; recordings of other emotions are left out."""
    merge: dict[str, str] = {}
    """Emotions that are taken as another one, such as calm as neutral."""
    most_each_epoch: dict[str, int] = {}
    """Of these corpora, so many recordings at most in an epoch, in each others: they help and do not drown the rest."""
    trim: bool = True
    """What is spoken alone, as the device's gate lets it through; false: whole recordings, with the breaths around."""
    test_speakers: tuple[str, ...] = Field(default=(), strict=False)
    """Such as 'ravdess 3'; scored once, at the end."""
    validation_speakers: tuple[str, ...] = Field(strict=False, min_length=1)
    """These choose among epochs."""


class SpeechFeatures(Part):
    """How sound becomes what the network sees; the rest is `LogMelSettings`' own."""

    bands: int = Field(default=64, ge=8, le=128)
    normalization: Literal["window", "fixed"] = "window"
    """'fixed' takes mean and deviation of the training speakers."""


class SpeechAugmentation(Part):
    """What is done to a spectrogram before the network sees it; what names no unit is a probability."""

    stretch: float = Field(default=0.15, ge=0, le=1)
    """Natural logarithm of the largest change of tempo."""
    pitch: float = Field(default=0.12, ge=0, le=1)
    """Natural logarithm of the largest change of all frequencies."""
    gain: float = Field(default=6.0, ge=0)
    """Decibels; standard deviation."""
    colour: float = Field(default=3.0, ge=0)
    """Decibels; standard deviation of a microphone's slope and bends over the bands."""
    room: Fraction = 0.3
    noise: Fraction = 0.5
    noise_decibels: tuple[float, float] = Field(default=(5.0, 35.0), strict=False)
    """How far the noise is below the voice."""
    noise_alone: Fraction = 0.0
    """That a sound without speech is such a noise and nothing else."""
    mask_frames: int = Field(default=20, ge=0)
    """SpecAugment: longest stretch of time that is blanked in each window."""
    mask_bands: int = Field(default=12, ge=0)
    """Widest band that is blanked, twice, in all windows alike."""
    gate: Fraction = 0.7
    """That windows with little voice are silent, as the device's gate makes them."""
    mixup: Fraction = 0.0
    mixup_alpha: float = Field(default=0.3, gt=0)


class TextNetwork(Part):
    """Which text network, and how large; see `training.architectures.text_net`."""

    architecture: Literal["text_net", "conv_lstm", "linear"] = "text_net"
    """'conv_lstm' is the deep one, whose blocks have their own sizes; 'linear' has a number for each word and label."""
    embedding: int = Field(default=64, ge=1)
    filters: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(128,), strict=False)
    """Of each convolution; none for the mean and the maximum of the words alone."""
    kernel: int = Field(default=3, ge=1)
    """Tokens that a convolution sees."""
    lstm: int = Field(default=64, ge=0)
    """Units of the LSTM layer; 0 for none."""
    dropout: Fraction = 0.4
    embedding_dropout: Fraction = 0.2
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.1, 0.3, 1.0, 3.0), strict=False)
    """For 'linear': inverse regularisation, of which the texts that choose take one."""


class TextData(Part):
    """Which labels, and which of the words."""

    labels: Literal["ekman", "original"] = "ekman"
    """GoEmotions' seven classes after Ekman, or its 28."""
    ratings: bool = False
    """Valence, arousal and dominance from EmoBank beside the labels; its file has to lie in the same folder."""


class TextFeatures(Part):
    """How text becomes numbers; see `edge.features.token_ids.TextSettings`."""

    length: int = Field(default=48, ge=1)
    """Tokens; longer training texts are cut."""
    words: int = Field(default=10_000, ge=0)
    """Of the vocabulary at most, those that stand in most of the training texts."""
    least: int = Field(default=3, ge=1)
    """Training texts that a word of the vocabulary stands in."""
    buckets: int = Field(default=0, ge=0)
    shortest: int = Field(default=3, ge=1)
    longest: int = Field(default=5, ge=1)
    pieces: int = Field(default=1, ge=1)


class TextAugmentation(Part):
    """What is done to a text before the network sees it."""

    unknown: Fraction = 0.1
    """That a token is taken for one that is none of the vocabulary."""


class Schedule(Part):
    """How long, how fast, and what is kept."""

    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    """The peak: a linear warm-up leads to it, half a cosine leads down from it."""
    warmup_epochs: float = Field(default=2, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    gradient_norm: float = Field(default=0, ge=0)
    """Most that the norm of all gradients together may be; 0 leaves them as they are. LSTM layers need it."""
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the moving average of the weights, per step; the average is what is validated and kept. 0 keeps none."""
    choose: Literal["score", "loss"] = "score"
    """Which epoch is kept: the one with the best validation score, or the one with the least validation loss, which
    hangs less on luck where only few recordings choose."""
    calm_epochs: int = Field(default=0, ge=0)
    """The last epochs of the schedule do without mixup and cutout, so that the network ends on faces as they are."""
    patience: int = Field(default=0, ge=0)
    """Stop after so many epochs without a better one; 0 never stops early."""
    steps_per_epoch: int = Field(default=0, ge=0)
    """Batches in one epoch where scenes are made without end; 0: as many as one pass over the data has."""


class DetectorSchedule(Schedule):
    """A round of a detector's training."""

    landmark_weight: float | None = Field(default=None, ge=0)
    """In place of `targets.landmark_weight`: faces are found first, and then their landmarks sharpened."""


class Quantization(Part):
    """The fine-tuning with fake quantisation that follows."""

    epochs: int = Field(default=3, ge=0)
    """0: post-training quantisation alone."""
    learning_rate: float = Field(default=1e-4, gt=0)
    distill: Fraction = 0.5
    """Part of the target that comes from the float model's own answer."""
    calibration_images: int = Field(default=500, ge=1)
