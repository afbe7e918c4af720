"""A recipe: the TOML file that describes one training run from data to int8 file, so that it can be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import ConfigError
from edge.toml_text import error_line, key_lines, line_of, parse

Fraction = Annotated[float, Field(ge=0, le=1)]


_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Network(_Part):
    """Which expression network, and how large."""

    architecture: Literal["expression_net"] = "expression_net"
    width: float = Field(default=1.0, gt=0, le=2)
    """Factor on the number of channels."""
    dropout: Fraction = 0.3


class Targets(_Part):
    """What the network is asked to answer."""

    vote_weight: Fraction = 0.3
    """Part of the target that comes from FER+'s votes, where there are any; the rest is FER-2013's label."""
    label_smoothing: Fraction = 0.05
    balance: Fraction = 0.0
    """0 leaves the classes as they are; 1 weights them all the same; between, a power of it."""


class Augmentation(_Part):
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


class DetectorNetwork(_Part):
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


class DetectorTargets(_Part):
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


class SceneAugmentation(_Part):
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


class DetectorData(_Part):
    """Which sources are held out; the others train."""

    test_sources: tuple[str, ...] = Field(strict=False, min_length=1)
    """Scored once, at the end."""
    validation_sources: tuple[str, ...] = Field(strict=False, min_length=1)
    """These choose among epochs and set the threshold."""


class Schedule(_Part):
    """How long, how fast, and what is kept."""

    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    """The peak: a linear warm-up leads to it, half a cosine leads down from it."""
    warmup_epochs: float = Field(default=2, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the moving average of the weights, per step; the average is what is validated and kept. 0 keeps none."""
    calm_epochs: int = Field(default=0, ge=0)
    """The last epochs of the schedule do without mixup and cutout, so that the network ends on faces as they are."""
    patience: int = Field(default=0, ge=0)
    """Stop after so many epochs without a better validation score; 0 never stops early."""
    steps_per_epoch: int = Field(default=0, ge=0)
    """Batches in one epoch where scenes are made without end; 0: as many as one pass over the data has."""


class DetectorSchedule(Schedule):
    """A round of a detector's training."""

    landmark_weight: float | None = Field(default=None, ge=0)
    """In place of `targets.landmark_weight`: faces are found first, and then their landmarks sharpened."""


class Quantization(_Part):
    """The fine-tuning with fake quantisation that follows."""

    epochs: int = Field(default=3, ge=0)
    """0: post-training quantisation alone."""
    learning_rate: float = Field(default=1e-4, gt=0)
    distill: Fraction = 0.5
    """Part of the target that comes from the float model's own answer."""
    calibration_images: int = Field(default=500, ge=1)


class _Recipe(_Part):
    """What all recipes have."""

    name: str = Field(pattern=_NAME)
    """Names the files of the run and its model."""
    version: str = "1"
    seed: int = Field(default=1, ge=0)
    schedule: Schedule = Schedule()
    further: list[Schedule] = []
    """Further rounds, each from the best weights of the one before and with a schedule of its own: warm restarts
    (Loshchilov and Hutter 2017)."""
    quantization: Quantization = Quantization()

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class ExpressionRecipe(_Recipe):
    """One training run of an expression model."""

    name: str = Field(default="expression", pattern=_NAME)
    task: Literal["expression"] = "expression"
    network: Network = Network()
    targets: Targets = Targets()
    augmentation: Augmentation = Augmentation()


class DetectorRecipe(_Recipe):
    """One training run of a face detector."""

    name: str = Field(default="face_near", pattern=_NAME)
    task: Literal["face-detection"] = "face-detection"
    data: DetectorData
    network: DetectorNetwork = DetectorNetwork()
    targets: DetectorTargets = DetectorTargets()
    augmentation: SceneAugmentation = SceneAugmentation()
    schedule: DetectorSchedule = DetectorSchedule()
    further: list[DetectorSchedule] = []  # type: ignore[assignment]
    start: str | None = Field(default=None, pattern=_NAME)
    """The recipe whose float model the weights begin with; its run lies beside this one's."""

    @property
    def rounds(self) -> tuple[DetectorSchedule, ...]:
        """All rounds, in their order; what the last one gives is kept."""
        return (self.schedule, *self.further)


Recipe = ExpressionRecipe | DetectorRecipe

RECIPES = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by the name of one that comes along, or by the path of a file.

    Raises
    ------
    ConfigError
        No such recipe, not TOML, or a key that is unknown or out of range.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES / f"{name_or_path}.toml"
    try:
        # utf-8-sig: editors on Windows put a byte order mark in front, which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"no recipe '{name_or_path}'; there are {', '.join(recipe_names())}, or name a .toml file"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not text in UTF-8, which TOML is written in") from None
    try:
        document = parse(text)
    except ValueError as error:
        raise ConfigError(f"{path}: line {error_line(error, text)}: not TOML: {error}") from None
    return _check(document, str(path), text)


def override(
    recipe: Recipe, *, epochs: int | None = None, qat_epochs: int | None = None, seed: int | None = None
) -> Recipe:
    """The recipe with some of its numbers replaced; None leaves one as it is. Raises `ConfigError` out of range."""
    document = recipe.as_dict()
    if epochs is not None:
        document["schedule"]["epochs"] = epochs
    if qat_epochs is not None:
        document["quantization"]["epochs"] = qat_epochs
    if seed is not None:
        document["seed"] = seed
    return _check(document, "command line")


def _check(document: dict[str, Any], origin: str, text: str = "") -> Recipe:
    kind = DetectorRecipe if document.get("task") == "face-detection" else ExpressionRecipe
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = tuple(map(str, first["loc"]))
        line = line_of(key, key_lines(text))
        place = f"{origin}: line {line}" if line else origin
        message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{place}: {'.'.join(key)}: {message}") from None
