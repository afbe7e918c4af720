"""`affect-edge text-data`: what sets of texts are made of, told and drawn."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from edge.errors import AffectEdgeError, DataError
from tests.training.text_data import write, write_essays, write_goemotions
from training.commands import text_data
from training.datasets.goemotions import read
from training.datasets.text_overview import overview

COMMENTS = {
    "train": [("the day is lovely lovely!", "3"), ("A lovely tree", "3,6"), ("gross tree", "1"), ("so it is", "4")],
    "dev": [("thank you !", "3")],
    "test": [("i am lost", "5,2"), ("who knew that this would go on", "6")],
}
EMOBANK = "id,split,V,A,D,text\na,train,3.5,3,3,a day\nb,dev,1,2,3,so it goes\nc,test,5,4,3,a night\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_goemotions(tmp_path / "text" / "goemotions", COMMENTS)
    write_essays(tmp_path / "text", [("I woke up and I woke him", (1, 0, 0, 1, 0)), ("so it goes", (0, 1, 1, 0, 1))])
    write(tmp_path / "text" / "emobank.csv", EMOBANK)
    return tmp_path / "text"


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    text_data.add_arguments(parser)
    return text_data.run(parser.parse_args([str(word) for word in words]))


def test_what_lies_there_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", folder, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {name: list(splits) for name, splits in document.items()} == {
        "goemotions": ["train", "validation", "test"],
        "essays": ["all"],
        "emobank": ["train", "validation", "test"],
    }
    train = document["goemotions"]["train"]
    assert train["texts"] == 4
    assert (train["share"]["happy"], train["share"]["surprise"], train["share"]["fear"]) == (0.5, 0.25, 0)
    # Texts that have a word count, not its uses; equally frequent ones stand by the alphabet.
    assert list(train["words"].items())[:3] == [("lovely", 2), ("tree", 2), ("day", 1)]
    assert "the" not in train["words"], "a stop word"
    assert train["tokens"] == {"5": 2, "50": 3, "95": 5, "100": 6}
    assert document["essays"]["all"]["share"]["extraversion"] == 0.5
    assert document["emobank"]["test"]["mean_rating"] == {"valence": 5, "arousal": 4, "dominance": 3}


def test_tables_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", folder / "goemotions", "--most", 2) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "goemotions"
    assert table[1].split() == ["train", "validation", "test"]
    rows = {" ".join(line.split()[:-3]): line.split()[-3:] for line in table[2:-1]}
    assert rows["texts"] == ["4", "1", "2"]
    assert rows["happy"] == ["50.0%", "100.0%", "0.0%"]
    assert rows["several labels"] == ["25.0%", "0.0%", "50.0%"]
    assert table[-1] == "most frequent: lovely 2, tree 2"


def test_ratings_have_means_and_no_shares(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "goemotions" / "train.tsv").unlink()
    (folder / "essays.csv").unlink()
    assert run("--data", folder) == 0
    table = capsys.readouterr().out
    assert "3.50" in table
    assert "several labels" not in table


def test_pictures(folder: Path, tmp_path: Path) -> None:
    assert run("--data", folder, "--out", tmp_path / "figures") == 0
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    kinds = ("classes", "lengths", "words")
    assert drawn == {f"{name}_{kind}.png" for name in ("goemotions", "essays", "emobank") for kind in kinds}
    assert all(path.stat().st_size > 5000 for path in (tmp_path / "figures").iterdir())


def test_words_are_those_of_the_front_end(folder: Path) -> None:
    found = overview(read(folder)["train"], most=100, without={"lovely"})
    assert ("is", 2) in found.words
    assert not any(word in ("lovely", "!") for word, _ in found.words)


def test_what_cannot_be_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no train\.tsv, essays\*\.csv or emobank\.csv there or below"):
        run("--data", tmp_path / "empty")
    (tmp_path / "taken").write_text("")
    with pytest.raises(AffectEdgeError, match="taken: cannot be written"):
        run("--data", folder, "--out", tmp_path / "taken")
    with pytest.raises(SystemExit):
        run("--data", folder, "--most", 0)
