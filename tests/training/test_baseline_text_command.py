"""`affect-edge baseline tfidf`: from the public files to a table, and what it says where it cannot go on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from edge.cli import main
from tests.training.text_data import write_essays, write_goemotions

WORDS = ("furious", "yuck", "scary", "lovely", "okay", "crying", "wow")
"""One for each of the mapped GoEmotions' numbers."""


def own_word(number: int) -> str:
    """Letters of which each number has others; digits would all be the same token."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number)) + "zz"


def comments(count: int, seed: int) -> list[tuple[str, str]]:
    """Every fifth one has two labels."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        labels = sorted({number % 7, int(rng.integers(7))}) if number % 5 == 0 else [number % 7]
        text = " ".join([*(WORDS[label] for label in labels), own_word(1000 * seed + number)])
        rows.append((text, ",".join(map(str, labels))))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A word tells each label of a comment, and extraversion; nothing tells the other traits."""
    folder = tmp_path_factory.mktemp("text")
    rows = {"train": comments(280, 1), "dev": comments(70, 2), "test": comments(70, 3)}
    write_goemotions(folder / "goemotions", rows)
    answers = np.random.default_rng(4).integers(0, 2, (60, 5)).tolist()
    texts = [f"{('calm', 'loud')[own[0]]}, so it goes {own_word(number)}" for number, own in enumerate(answers)]
    write_essays(folder / "essays", list(zip(texts, answers, strict=True)))
    return folder


def run(*words: object) -> int:
    return main(["baseline", "tfidf", "--quiet", *map(str, words)])


def test_both_sets_become_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", folder, "--json") == 0
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    comments, essays = document["goemotions"], document["essays"]
    assert list(comments["splits"]) == ["validation"]
    assert "test" not in printed.err
    assert comments["splits"]["validation"]["macro_f1"] > 0.95
    assert comments["tried"][f"{comments['strength']:g}"] == max(comments["tried"].values())
    assert essays["texts"] == 60
    assert essays["folds"] == 10
    assert essays["per_trait"]["extraversion"]["accuracy"] > 0.9
    assert essays["per_trait"]["openness"]["accuracy"] < 0.75


def test_the_test_split_is_scored_only_where_it_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", folder, "--corpus", "goemotions", "--test") == 0
    printed = capsys.readouterr()
    assert "to be scored once" in printed.err
    assert "\ntest " in printed.out
    assert "F1 on test: angry 1.000" in printed.out
    assert "essays" not in printed.out


def test_the_table_of_the_essays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", folder / "essays") == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[2:]] == [
        *("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism", "mean"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--seeds", "2"), "--seeds goes with the networks for speech"),
        (("--random-split",), "--random-split goes with the networks for speech"),
        (("--corpus", "crema-d"), "--corpus crema-d is of speech, which 'tfidf' does not take"),
    ],
)
def test_what_goes_with_speech_is_refused(
    tmp_path: Path, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", tmp_path, *words) == 1
    assert message in capsys.readouterr().err


def test_what_goes_with_text_is_refused_for_speech(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "cnn", "--data", str(tmp_path), "--test"]) == 1
    assert "--test goes with tfidf, for text" in capsys.readouterr().err
    assert main(["baseline", "cnn", "--data", str(tmp_path), "--corpus", "essays"]) == 1
    assert "--corpus essays is of text, which 'cnn' does not take" in capsys.readouterr().err


def test_a_folder_without_texts_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", tmp_path) == 1
    assert f"{tmp_path}: neither GoEmotions' train.tsv nor essays*.csv there or below" in capsys.readouterr().err
    assert run("--data", tmp_path, "--corpus", "essays") == 1
    assert "no essays*.csv there or below" in capsys.readouterr().err
