"""GoEmotions' public files: every layout that goes round, its labels, its leaks, its damages."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from edge.inference.catalog import find_model
from edge.inference.manifest import manifest_path, read_manifest
from tests.training.text_data import EKMAN_NAMES, EMOTIONS, ROWS, write, write_goemotions
from training.datasets import goemotions
from training.datasets.goemotions import EKMAN, read

ORIGINAL_ROWS = {
    "train": [("what a lovely day", "18,13"), ("go away", "3,11"), ("hm", "7")],
    "dev": [("so it goes", "27"), ("sorry", "24")],
    "test": [("i am lost", "25,19"), ("who knew", "22")],
}


def named(targets: np.ndarray, labels: tuple[str, ...]) -> list[set[str]]:
    """The labels of each text."""
    return [{label for label, on in zip(labels, row, strict=True) if on} for row in targets]


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.xz", ".tsv.gz"])
@pytest.mark.parametrize("below", ["", "goemotions/data"])
def test_mapped_files_are_read_under_the_face_model_s_names(tmp_path: Path, suffix: str, below: str) -> None:
    write_goemotions(tmp_path / below, suffix=suffix)
    sets = read(tmp_path)
    assert list(sets) == ["train", "validation", "test"]
    train = sets["train"]
    assert train.labels == EKMAN
    assert train.texts == ("what a lovely day", "go away", '"no')
    assert train.ids == ("train0", "train1", "train3")
    assert named(train.targets, EKMAN) == [{"happy"}, {"angry", "disgust"}, {"neutral"}]
    assert named(sets["test"].targets, EKMAN) == [{"sad", "fear"}, {"surprise"}]
    assert train.targets.dtype == np.float32
    assert train.cleaning.as_dict() == {"read": 4, "leaked": 1, "doubles": 0, "kept": 3}
    assert sets["validation"].texts == ("thank you !", "so it goes"), "what is scored stays as published"


def test_the_labels_are_the_face_model_s() -> None:
    assert read_manifest(manifest_path(find_model("expression"))).labels == EKMAN


def test_all_emotions_and_their_mapping(tmp_path: Path) -> None:
    write_goemotions(tmp_path, ORIGINAL_ROWS, EMOTIONS, names_file="emotions.txt")
    original = read(tmp_path, "original")
    assert original["train"].labels == EMOTIONS
    assert named(original["train"].targets, EMOTIONS) == [
        {"love", "excitement"},
        {"annoyance", "disgust"},
        {"curiosity"},
    ]
    mapped = read(tmp_path)
    assert named(mapped["train"].targets, EKMAN) == [{"happy"}, {"angry", "disgust"}, {"surprise"}]
    assert named(mapped["validation"].targets, EKMAN) == [{"neutral"}, {"sad"}]
    assert named(mapped["test"].targets, EKMAN) == [{"sad", "fear"}, {"surprise"}]


def test_each_kind_of_labels_has_its_own_files_where_both_are_there(tmp_path: Path) -> None:
    write_goemotions(tmp_path / "a_original", ORIGINAL_ROWS, EMOTIONS)
    write_goemotions(tmp_path / "b_ekman")
    write_goemotions(tmp_path / "a_group", ROWS, ["positive", "negative", "ambiguous", "neutral"])
    assert read(tmp_path)["train"].texts[1:] == ("go away", '"no')
    assert read(tmp_path, "original")["train"].texts[1:] == ("go away", "hm")


@pytest.mark.parametrize(
    ("name", "line", "content", "message"),
    [
        ("train", 2, "go away\t0", r"train\.tsv: line 2: 2 columns where text, labels and id are due"),
        ("dev", 1, "a\tb\t3\tx", r"dev\.tsv: line 1: 4 columns"),
        ("test", 2, "", r"test\.tsv: line 2: 1 columns"),
        ("test", 1, "lost\t7\tx", r"test\.tsv: line 1: the labels '7' are not numbers from 0 to 6 with"),
        ("test", 1, "lost\t-1\tx", "line 1: the labels '-1'"),
        ("test", 1, "lost\t\tx", "line 1: the labels ''"),
        ("test", 1, "lost\t3;4\tx", "line 1: the labels '3;4'"),
        ("dev", 2, "  \t3\tx", r"dev\.tsv: line 2: no text"),
    ],
)
def test_a_damaged_row_is_told_by_its_line(tmp_path: Path, name: str, line: int, content: str, message: str) -> None:
    write_goemotions(tmp_path)
    path = tmp_path / f"{name}.tsv"
    rows = path.read_text().splitlines()
    rows[line - 1] = content
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(f"{path}: line")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no train\.tsv there or below; name the folder"):
        read(tmp_path)
    write_goemotions(tmp_path)
    (tmp_path / "test.tsv").rename(tmp_path / "elsewhere.tsv")
    with pytest.raises(DataError, match=r"test\.tsv is missing; is the download complete\?"):
        read(tmp_path)
    write(tmp_path / "test.tsv", "")
    with pytest.raises(DataError, match=r"test\.tsv: empty; is the download complete\?"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"no labels\.txt or emotions\.txt beside train\.tsv names GoEmotions' 28 emo"):
        read(tmp_path, "original")
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(DataError, match=r"names GoEmotions' 28 emotions, or Ekman's six and neutral, one a line"):
        read(tmp_path)


def test_names_that_stand_twice_are_no_names_of_numbers(tmp_path: Path) -> None:
    write_goemotions(tmp_path, names=(*EKMAN_NAMES, "joy"))
    with pytest.raises(DataError, match="names GoEmotions'"):
        read(tmp_path)


def test_a_download_cut_short_is_told(tmp_path: Path) -> None:
    write_goemotions(tmp_path, suffix=".tsv.xz")
    packed = lzma.compress("".join(f"text {n}\t3\tx{n}\n" for n in range(9000)).encode())
    (tmp_path / "train.tsv.xz").write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(DataError, match=r"train\.tsv\.xz: cannot be unpacked beyond line"):
        read(tmp_path)


@pytest.mark.data
def test_the_real_comments(real_texts: Path) -> None:
    """Counts of the paper, and the paper's mapping in the files that are mapped already."""
    sets, original = read(real_texts), read(real_texts, "original")
    assert [own.cleaning.read for own in sets.values()] == [43410, 5426, 5427]
    assert sets["train"].cleaning.leaked == 185
    names = original["train"].labels
    mapped = np.array([[goemotions._EKMAN_OF[name] == label for label in EKMAN] for name in names], np.float32)
    for split, own in sets.items():
        np.testing.assert_array_equal(own.targets, original[split].targets @ mapped > 0)
    assert sets["test"].targets.sum(axis=0).tolist() == [726, 123, 98, 2104, 379, 677, 1787]
