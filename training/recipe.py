"""A recipe: the TOML file that describes one training run from data to int8 file, so that it can be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import ConfigError
from edge.toml_text import error_line, key_lines, line_of, parse

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Network(_Part):
    """Which network, and how large."""

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
    """Stop after so many epochs without a better validation accuracy; 0 never stops early."""


class Quantization(_Part):
    """The fine-tuning with fake quantisation that follows."""

    epochs: int = Field(default=3, ge=0)
    """0: post-training quantisation alone."""
    learning_rate: float = Field(default=1e-4, gt=0)
    distill: Fraction = 0.5
    """Part of the target that comes from the float model's own answer."""
    calibration_images: int = Field(default=500, ge=1)


class Recipe(_Part):
    """One training run."""

    name: str = Field(default="expression", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    """Names the files of the run and its model."""
    task: Literal["expression"] = "expression"
    version: str = "1"
    seed: int = Field(default=1, ge=0)
    network: Network = Network()
    targets: Targets = Targets()
    augmentation: Augmentation = Augmentation()
    schedule: Schedule = Schedule()
    further: list[Schedule] = []
    """Further rounds, each from the best weights of the one before and with a schedule of its own: warm restarts
    (Loshchilov and Hutter 2017)."""
    quantization: Quantization = Quantization()

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


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
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = tuple(map(str, first["loc"]))
        line = line_of(key, key_lines(text))
        place = f"{origin}: line {line}" if line else origin
        message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{place}: {'.'.join(key)}: {message}") from None
