"""The essays' table, and their folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from tests.training.text_data import write, write_essays
from training.datasets import essays

ROWS = [
    ('I woke up. "Well",\nI said', (1, 0, 0, 1, 0)),
    ("so it goes", (0, 1, 1, 0, 1)),
    ("So it goes!", (0, 0, 0, 0, 0)),
]


def test_the_table_that_goes_round_is_read(tmp_path: Path) -> None:
    write_essays(tmp_path / "deep", ROWS)
    read = essays.read(tmp_path)
    assert read.texts == tuple(text for text, _ in ROWS)
    assert read.labels == ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    assert read.targets.tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0]]
    assert read.targets.dtype == np.float32
    assert read.ids == ("0.txt", "1.txt", "2.txt")


def test_a_copy_with_other_columns_and_numbers_is_read(tmp_path: Path) -> None:
    content = "author_id,text,cEXT,cNEU,cAGR,cCON,cOPN,more\n7,so it goes,1,0,0,1,0,x\n"
    write(tmp_path / "essays_clean.csv.xz", content)
    read = essays.read(tmp_path)
    assert (read.texts, read.ids, read.targets.tolist()) == (("so it goes",), ("7",), [[0, 1, 1, 0, 0]])


def test_what_is_not_utf_8_is_taken_for_windows_own(tmp_path: Path) -> None:
    write_essays(tmp_path, ROWS)
    path = tmp_path / "essays.csv"
    path.write_bytes(path.read_text().replace("so it goes", "that’s it").encode("cp1252"))
    assert essays.read(tmp_path).texts[1] == "that’s it"


def test_copies_of_an_essay_are_dropped_and_counted(tmp_path: Path) -> None:
    write_essays(tmp_path, [*ROWS, ("SO IT GOES", (1, 1, 1, 1, 1))])
    read = essays.read(tmp_path)
    assert len(read) == 3
    assert read.cleaning.as_dict() == {"read": 4, "leaked": 0, "doubles": 1, "kept": 3}


def test_one_table_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no essays\*\.csv there or below; name the folder"):
        essays.read(tmp_path)
    write_essays(tmp_path, ROWS)
    write_essays(tmp_path, ROWS, name="essays_clean.csv.gz")
    with pytest.raises(DataError, match=r"essays\.csv and essays_clean\.csv\.gz there or below"):
        essays.read(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cNEU", "NEU", "line 1: no column 'cNEU' among #authid, text, cext, neu, .*is it another file"),
        ("n,y,y,n,y", "n,y,y,n,maybe", "line 4: cOPN is 'maybe' where y or n, or 1 or 0, are due"),
        ("so it goes", " ", "line 4: no text"),
        ("n,y,y,n,y", "n,y,y", "line 4: 5 columns where 7 are due"),
    ],
)
def test_a_damaged_table_is_told_by_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_essays(tmp_path, ROWS)
    path = tmp_path / "essays.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message) as caught:
        essays.read(tmp_path)
    assert str(caught.value).startswith(f"{path}: line")


def test_each_essay_is_in_one_fold() -> None:
    dealt = essays.folds(2467)
    assert len(dealt) == 10
    np.testing.assert_array_equal(np.sort(np.concatenate(dealt)), np.arange(2467))
    assert {len(fold) for fold in dealt} == {246, 247}
    assert all((np.diff(fold) > 0).all() for fold in dealt)


def test_folds_are_the_same_each_time_and_others_with_another_seed() -> None:
    first, again, other = essays.folds(50), essays.folds(50), essays.folds(50, seed=2)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_more_folds_than_essays_are_refused() -> None:
    with pytest.raises(DataError, match="9 essays are too few for 10 folds"):
        essays.folds(9)


@pytest.mark.data
def test_the_real_essays(real_texts: Path) -> None:
    read = essays.read(real_texts)
    assert len(read) == 2467
    assert read.cleaning.doubles == 0
    assert read.targets.sum(axis=0).tolist() == [1271, 1253, 1276, 1310, 1233]
