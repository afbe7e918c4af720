"""A recipe: the TOML file that describes one training run from data to int8 file, so that it can be run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from edge.errors import ConfigError
from edge.toml_text import error_line, key_lines, line_of, parse
from training.recipe_parts import (
    NAME,
    Augmentation,
    DetectorData,
    DetectorNetwork,
    DetectorSchedule,
    DetectorTargets,
    Fraction,
    Network,
    Part,
    Quantization,
    SceneAugmentation,
    Schedule,
    SpeechAugmentation,
    SpeechData,
    SpeechFeatures,
    SpeechNetwork,
    Targets,
    TextAugmentation,
    TextData,
    TextFeatures,
    TextNetwork,
)


class _Recipe(Part):
    """What all recipes have."""

    name: str = Field(pattern=NAME)
    """Names the files of the run and its model."""
    version: str = "1"
    seed: int = Field(default=1, ge=0)
    schedule: Schedule = Schedule()
    further: list[Schedule] = Field(default=[])
    """Further rounds, each from the best weights of the one before and with a schedule of its own: warm restarts
    (Loshchilov and Hutter 2017)."""
    quantization: Quantization = Quantization()

    def as_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class ExpressionRecipe(_Recipe):
    """One training run of an expression model."""

    name: str = Field(default="expression", pattern=NAME)
    task: Literal["expression"] = "expression"
    network: Network = Network()
    targets: Targets = Targets()
    augmentation: Augmentation = Augmentation()


class DetectorRecipe(_Recipe):
    """One training run of a face detector."""

    name: str = Field(default="face_near", pattern=NAME)
    task: Literal["face-detection"] = "face-detection"
    data: DetectorData
    network: DetectorNetwork = DetectorNetwork()
    targets: DetectorTargets = DetectorTargets()
    augmentation: SceneAugmentation = SceneAugmentation()
    schedule: DetectorSchedule = DetectorSchedule()
    further: list[DetectorSchedule] = Field(default=[])  # type: ignore[assignment]
    start: str | None = Field(default=None, pattern=NAME)
    """The recipe whose float model the weights begin with; its run lies beside this one's."""

    @property
    def rounds(self) -> tuple[DetectorSchedule, ...]:
        """All rounds, in their order; what the last one gives is kept."""
        return (self.schedule, *self.further)


class SpeechRecipe(_Recipe):
    """One training run of a speech model."""

    name: str = Field(default="speech", pattern=NAME)
    task: Literal["speech-emotion"] = "speech-emotion"
    data: SpeechData
    features: SpeechFeatures = SpeechFeatures()
    network: SpeechNetwork = SpeechNetwork()
    augmentation: SpeechAugmentation = SpeechAugmentation()
    label_smoothing: Fraction = 0.1
    start: str | None = Field(default=None, pattern=NAME)
    """The recipe whose float model the weights begin with; its run lies beside this one's."""


class TextRecipe(_Recipe):
    """One training run of a text emotion model."""

    name: str = Field(default="text", pattern=NAME)
    task: Literal["text-emotion"] = "text-emotion"
    data: TextData = TextData()
    features: TextFeatures = TextFeatures()
    network: TextNetwork = TextNetwork()
    augmentation: TextAugmentation = TextAugmentation()
    label_smoothing: Fraction = 0.05


class TraitsRecipe(_Recipe):
    """One training run of a model of Big-Five traits in essays."""

    name: str = Field(default="traits", pattern=NAME)
    task: Literal["traits"] = "traits"
    features: TextFeatures = TextFeatures(length=300)
    network: TextNetwork = TextNetwork()
    augmentation: TextAugmentation = TextAugmentation()
    label_smoothing: Fraction = 0.1


Recipe = ExpressionRecipe | DetectorRecipe | SpeechRecipe | TextRecipe | TraitsRecipe

_KINDS: dict[
    str, type[ExpressionRecipe] | type[DetectorRecipe] | type[SpeechRecipe] | type[TextRecipe] | type[TraitsRecipe]
] = {
    "expression": ExpressionRecipe,
    "face-detection": DetectorRecipe,
    "speech-emotion": SpeechRecipe,
    "text-emotion": TextRecipe,
    "traits": TraitsRecipe,
}

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
    kind = _KINDS.get(str(document.get("task")), ExpressionRecipe)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = tuple(map(str, first["loc"]))
        line = line_of(key, key_lines(text))
        place = f"{origin}: line {line}" if line else origin
        message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{place}: {'.'.join(key)}: {message}") from None
