from __future__ import annotations

import shutil
import site
import sys
from pathlib import Path

import pytest

import edge.inference.catalog as module
from edge.errors import ModelError
from edge.inference.catalog import MODELS_VARIABLE, find_model, list_models, model_folders


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_first_folder_that_has_the_model_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    only_second = touch(second / "expression" / "expression.tflite")
    assert find_model(folders=[first, second]) == only_second
    both = touch(first / "expression" / "expression.tflite")
    assert find_model(folders=[first, second]) == both
    assert find_model(folders=[second, first]) == only_second


def test_a_model_is_found_by_task_and_name(tmp_path: Path) -> None:
    other = touch(tmp_path / "expression" / "other.tflite")
    speech = touch(tmp_path / "speech" / "speech.tflite")
    assert find_model("expression", "other", [tmp_path]) == other
    assert find_model("speech", folders=[tmp_path]) == speech
    with pytest.raises(ModelError, match=r"no model 'expression' for the task 'expression' in .*installed are: other"):
        find_model(folders=[tmp_path])


def test_a_path_stands_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = touch(tmp_path / "own.tflite")
    assert find_model(name=str(model), folders=[]) == model
    monkeypatch.chdir(tmp_path)
    assert find_model(name="own.tflite", folders=[]) == Path("own.tflite")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_model(name="~/own.tflite", folders=[]) == model


@pytest.mark.parametrize("name", ["gone.tflite", "folder/gone", "~nobody-of-that-name/gone.tflite"])
def test_a_path_that_leads_nowhere_is_told(name: str) -> None:
    with pytest.raises(ModelError, match=f"^{name}: no such model file"):
        find_model(name=name, folders=[])


def test_none_found_names_every_folder_looked_in(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as raised:
        find_model(folders=[tmp_path / "a", tmp_path / "b"])
    assert str(tmp_path / "a") in str(raised.value)
    assert str(tmp_path / "b") in str(raised.value)


def test_lists_each_task_and_name_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    touch(second / "speech" / "speech.tflite")
    touch(second / "expression" / "expression.tflite")
    kept = touch(first / "expression" / "expression.tflite")
    touch(first / "expression" / "expression.json")
    touch(first / "stray.tflite")
    models = list_models([first, second])
    assert [(model.task, model.name) for model in models] == [("expression", "expression"), ("speech", "speech")]
    assert models[0].path == kept
    assert models[0].manifest == kept.with_suffix(".json")
    assert models[0].card == kept.with_suffix(".md")


def test_the_variable_comes_before_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    checkout = Path(module.__file__).parents[2] / "models"
    assert model_folders()[:2] == [tmp_path, checkout]
    monkeypatch.delenv(MODELS_VARIABLE)
    assert model_folders()[0] == checkout


@pytest.mark.parametrize(
    ("package", "models"),
    [
        ("usr/local/lib/python3.11/dist-packages", "usr/local/share"),  # Debian's pip as root; sys.prefix is /usr
        ("venv/lib/python3.13/site-packages", "venv/share"),
        ("target", "target/share"),  # pip install --target target
    ],
)
def test_finds_what_pip_put_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, models: str
) -> None:
    installed = touch(tmp_path / models / "affect-edge" / "models" / "expression" / "expression.tflite")
    copy = tmp_path / package / "edge" / "inference" / "catalog.py"
    copy.parent.mkdir(parents=True)
    shutil.copyfile(module.__file__, copy)
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    monkeypatch.setattr(module, "__file__", str(copy))
    assert find_model() == installed


def test_looks_under_python_s_prefix_and_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(site, "USER_BASE", str(tmp_path / "user"))
    share = Path("share", "affect-edge", "models")
    assert {tmp_path / "prefix" / share, tmp_path / "user" / share} <= set(model_folders())
    monkeypatch.setattr(site, "USER_BASE", None)  # python -s
    assert tmp_path / "user" / share not in model_folders()
