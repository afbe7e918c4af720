"""EmoBank's table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from tests.training.text_data import write
from training.datasets import emobank

TABLE = """id,split,V,A,D,text
a,train,3.0,3.1,3.2,"It rained, they said."
b,train,4.5,2,3,what a day
c,dev,1,2,3,so it goes
d,test,5,4,3,"What a day """
TABLE += '"\ne,train,3,3,3,\n'


def test_sentences_and_ratings(tmp_path: Path) -> None:
    write(tmp_path / "corpus" / "emobank.csv.xz", TABLE.replace("What a day ", "What a night"))
    sets = emobank.read(tmp_path)
    assert list(sets) == ["train", "validation", "test"]
    assert sets["train"].labels == ("valence", "arousal", "dominance")
    assert sets["train"].texts == ("It rained, they said.", "what a day"), "the row without a text is left out"
    np.testing.assert_allclose(sets["train"].targets, [[3, 3.1, 3.2], [4.5, 2, 3]])
    assert sets["validation"].ids == ("c",)


def test_training_sentences_that_are_scored_elsewhere_are_dropped(tmp_path: Path) -> None:
    write(tmp_path / "emobank.csv", TABLE)
    train = emobank.read(tmp_path)["train"]
    assert train.ids == ("a",)
    assert train.cleaning.as_dict() == {"read": 2, "leaked": 1, "doubles": 0, "kept": 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("4.5", "5.5", "line 3: V is '5.5' where a rating from 1 to 5 is due"),
        ("4.5", "nan", "line 3: V is 'nan'"),
        ("4.5", "high", "line 3: V is 'high'"),
        (",dev,", ",development,", "line 4: the split 'development' is none of train, dev, test"),
        ("c,dev", "c,train", "no sentence of the split 'validation'"),
        (",D,", ",dominance,", "line 1: no column 'D'"),
    ],
)
def test_a_damaged_table_is_told_by_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path / "emobank.csv", TABLE.replace(old, new))
    with pytest.raises(DataError, match=rf"^{path}: {message}"):
        emobank.read(tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no emobank\.csv there or below; name the folder"):
        emobank.read(tmp_path)


@pytest.mark.data
def test_the_real_sentences(real_texts: Path) -> None:
    sets = emobank.read(real_texts)
    assert [own.cleaning.read for own in sets.values()] == [8062, 1000, 1000]
    assert all(own.targets.min() >= 1 and own.targets.max() <= 5 for own in sets.values())
