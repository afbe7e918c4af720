"""Recipes: those that come along are sound, and what is wrong in one is named with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from training.recipe import ExpressionRecipe, override, read_recipe, recipe_names


def test_the_recipes_that_come_along() -> None:
    assert "expression" in recipe_names()
    for name in recipe_names():
        recipe = read_recipe(name)
        assert recipe.name == name
        assert type(recipe).model_validate(recipe.as_dict()) == recipe


def test_a_recipe_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('\ufeffname = "mine"\nseed = 7\n[schedule]\nepochs = 3\nlearning_rate = 1\n', encoding="utf-8")
    recipe = read_recipe(str(path))
    assert (recipe.name, recipe.seed, recipe.schedule.epochs, recipe.schedule.learning_rate) == ("mine", 7, 3, 1.0)
    assert recipe.network == ExpressionRecipe().network, "what is left out has its default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = 1\nsede = 2", "line 2: sede: unknown key"),
        ("[schedul]\nepochs = 2", "line 1: schedul: unknown key"),
        ("seed = 1\n\n[schedule]\nepoch = 3", "line 4: schedule.epoch: unknown key"),
        ('[schedule]\nepochs = "many"', "line 2: schedule.epochs: Input should be a valid integer"),
        ('[schedule]\nepochs = "50"', "line 2: schedule.epochs: Input should be a valid integer"),
        ("[schedule]\nepochs = 1.5", "line 2: schedule.epochs: "),
        ("[schedule]\nepochs = true", "line 2: schedule.epochs: "),
        ("[augmentation]\nflip = 1", "line 2: augmentation.flip: "),
        ("schedule = 3", "line 1: schedule: "),
        ("[schedule]\nepochs = 0", "line 2: schedule.epochs: Input should be greater than or equal to 1"),
        (
            "[targets]\n# note\nvote_weight = 1.1",
            "line 3: targets.vote_weight: Input should be less than or equal to 1",
        ),
        ("[schedule]\nlearning_rate = nan", "line 2: schedule.learning_rate: "),
        ("[schedule]\nlearning_rate = inf", "line 2: schedule.learning_rate: "),
        ("[schedule]\naverage_decay = 1.0", "line 2: schedule.average_decay: "),
        ('[network]\narchitecture = "resnet"', "line 2: network.architecture: "),
        ('task = "speech"', "line 1: task: "),
        ('name = "../elsewhere"', "line 1: name: "),
        ('name = ""', "line 1: name: "),
        ("seed = -1", "line 1: seed: "),
        ("seed = 1\nseed = 2", "line 2: not TOML: "),
        ("[schedule\nepochs = 2", "line 1: not TOML: "),
    ],
)
def test_wrong_recipes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_recipe(str(path))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 78


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    for name in ("expresion", str(tmp_path / "gone.toml")):
        with pytest.raises(ConfigError, match=f"no recipe '{name}'; there are .*expression.*, or name a .toml file"):
            read_recipe(name)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.toml: cannot be read: Is a directory"):
        read_recipe(str(tmp_path / "folder.toml"))
    (tmp_path / "latin.toml").write_bytes('name = "\u00e4"'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.toml: not text in UTF-8"):
        read_recipe(str(tmp_path / "latin.toml"))


def test_override_replaces_what_is_given_and_checks_it() -> None:
    recipe = ExpressionRecipe()
    assert override(recipe) == recipe
    changed = override(recipe, epochs=2, qat_epochs=0, seed=9)
    assert (changed.schedule.epochs, changed.quantization.epochs, changed.seed) == (2, 0, 9)
    assert changed.schedule.learning_rate == recipe.schedule.learning_rate
    for numbers, key in (
        ({"epochs": 0}, "schedule.epochs"),
        ({"qat_epochs": -1}, "quantization.epochs"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(ConfigError, match=f"^command line: {key}: Input should be greater than or equal to"):
            override(recipe, **numbers)
