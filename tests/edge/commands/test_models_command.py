from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commands import models
from edge.errors import ModelError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    models.add_arguments(parser)
    return models.run(parser.parse_args(words))


def alter_manifest(model: Path, **changes: object) -> None:
    manifest = model.with_suffix(".json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def flip_a_byte(model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[-50] ^= 1
    model.write_bytes(data)


def test_lists_what_a_reader_needs(expression_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "expression") == 0
    text = capsys.readouterr().out
    for part in (
        "expression/expression 1",
        "48x48x1 gray int8",
        "angry, disgust",
        "PrivateTest 0.123",
        str(expression_model),
    ):
        assert part in text
    assert run("list", str(expression_model), "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["task"], row["name"], row["path"]) == ("expression", "expression", str(expression_model))
    assert row["manifest"]["evaluation"] == {"PrivateTest": {"accuracy": 0.1234}}


def test_without_figures_it_says_so(expression_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter_manifest(expression_model, evaluation={})
    run("list", "expression")
    assert "measured  not yet" in capsys.readouterr().out


def test_lists_a_face_detector(face_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "face_near") == 0
    text = capsys.readouterr().out
    assert "face-detection/face_near" in text
    assert "128x160x1 gray int8" in text
    assert "finds     faces with a score from 0." in text
    assert "labels" not in text
    assert run("verify", "face_near") == 0


def test_lists_both_halves_of_a_speech_model(speech_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter_manifest(speech_model, evaluation={"test": {"unweighted_average_recall": 0.61234, "accuracy": 0.5}})
    assert run("list", "speech") == 0
    head, encoder = capsys.readouterr().out.split("speech-encoder/speech 1\n")
    assert head.startswith("speech-emotion/speech 1\n")
    assert "input     64x64x1 int8, the log-mel spectrogram of 1.0 s at 16 kHz" in encoder
    assert "gives     12 numbers to a speech-emotion model, and is measured with it" in encoder
    assert "labels" not in encoder
    assert "not yet" not in encoder
    assert "input     4x12 int8, from speech-encoder/speech" in head
    assert "labels    neutral, no speech, happy, sad, angry" in head
    assert "measured  unweighted average recall test 0.612" in head
    assert run("verify", "speech") == 0


def test_lists_text_models(text_model: Path, trait_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter_manifest(text_model, evaluation={"test": {"macro_f1": 0.56789, "accuracy": 0.5}})
    assert run("list", "text") == 0
    text = capsys.readouterr().out
    assert text.startswith("text-emotion/text 1\n")
    assert "input     12 tokens of text at once, 78 words in the vocabulary\n" in text
    assert "measured  macro f1 test 0.568" in text
    alter_manifest(trait_model, evaluation={"10-fold": {"accuracy": 0.56789}})
    assert run("list", "traits") == 0
    text = capsys.readouterr().out
    assert text.startswith("traits/traits 1\n")
    assert "input     20 tokens of text at once, 70 words in the vocabulary, 2 pieces of each\n" in text
    assert "scores    texts from 10 words on\n" in text
    assert "measured  accuracy 10-fold 0.568" in text
    assert run("verify", "traits") == run("verify", "text") == 0


def test_a_detector_s_figures_are_its_precision(
    face_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / face_model.name
    for suffix in (".tflite", ".json"):
        copy.with_suffix(suffix).write_bytes(face_model.with_suffix(suffix).read_bytes())
    alter_manifest(copy, evaluation={"held out": {"average_precision": 0.91234, "recall": 0.5}})
    assert run("list", str(copy)) == 0
    assert "measured  average precision held out 0.912" in capsys.readouterr().out


def test_verifies_a_whole_model(expression_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "expression") == 0
    assert capsys.readouterr().out.startswith("expression/expression: ok (sha256, loads in ")
    assert run("verify", str(expression_model)) == 0


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda model: model.write_bytes(model.read_bytes()[:-100]), "truncated or replaced"),
        (flip_a_byte, "its sha256 differs"),
        (lambda model: model.write_bytes(b""), "has 0 bytes where its manifest says"),
        (lambda model: alter_manifest(model, sha256="0" * 64), "its sha256 differs"),
        (lambda model: alter_manifest(model, task="speech"), "task"),
        (lambda model: alter_manifest(model, schema_version=2), "schema_version 2 is not known"),
        (lambda model: alter_manifest(model, extra=1), "extra"),
        (lambda model: alter_manifest(model, labels=["a", "b"]), "2 labels for 7 outputs"),
        (lambda model: model.with_suffix(".json").write_text("{"), "not a readable JSON manifest"),
        (lambda model: model.with_suffix(".json").unlink(), "no such manifest"),
    ],
)
def test_tells_a_bad_model_and_exits_with_1(
    expression_model: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], told: str
) -> None:
    damage(expression_model)
    assert run("verify", "expression") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert str(expression_model.parent) in printed.err
    assert len(printed.err.splitlines()) == 1
    assert run("verify", "expression", "--json") == 1
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert told in answer["error"]


def test_a_model_in_another_task_s_folder_is_bad(models_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models_folder / "expression").rename(models_folder / "speech")
    assert run("verify") == 1
    assert "made for the task 'expression', not for 'speech'" in capsys.readouterr().err


def test_one_bad_model_does_not_hide_the_others(models_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models_folder / "expression" / "alien.tflite").write_bytes(b"no model")
    assert run("list") == 1
    printed = capsys.readouterr()
    assert "alien.json: no such manifest" in printed.err
    assert "expression/expression" in printed.out
    assert run("verify") == 1
    assert "expression/expression: ok" in capsys.readouterr().out


def test_prints_the_card(expression_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("card", "expression") == 0
    assert capsys.readouterr().out == "# small\n\nKnows nothing.\n"
    expression_model.with_suffix(".md").unlink()
    with pytest.raises(ModelError, match=r"expression\.md: no readable model card"):
        run("card", "expression")


@pytest.mark.parametrize(
    ("name", "told"),
    [("other", "no model 'other'; installed are: "), ("./other.tflite", "other.tflite: no such model file")],
)
def test_an_unknown_name_is_told(models_folder: Path, name: str, told: str) -> None:
    with pytest.raises(ModelError) as raised:
        run("verify", name)
    assert told in str(raised.value)
