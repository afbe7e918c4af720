"""Word vectors in GloVe's text format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from tests.training.text_data import write
from training.datasets import word_vectors

CONTENT = "the 0.5 -1 2e-1\n. . . 1 2 3\ncafé 4 5 6\nthe 9 9 9\n"


def test_words_and_vectors(tmp_path: Path) -> None:
    read = word_vectors.read(write(tmp_path / "glove.txt.xz", CONTENT))
    assert read.words == ("the", ". . .", "café")
    assert read.size == 3
    np.testing.assert_allclose(read.vectors, [[0.5, -1.0, 0.2], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert read.vectors.dtype == np.float32


def test_only_what_is_wanted_is_kept(tmp_path: Path) -> None:
    read = word_vectors.read(write(tmp_path / "glove.txt", CONTENT), {"café", "tea"})
    assert read.words == ("café",)


def test_rows_of_words(tmp_path: Path) -> None:
    read = word_vectors.read(write(tmp_path / "glove.txt", CONTENT))
    rows, known = read.rows(["tea", "café", "the"])
    np.testing.assert_allclose(rows, [[0.0, 0.0, 0.0], [4.0, 5.0, 6.0], [0.5, -1.0, 0.2]])
    assert known.tolist() == [False, True, True]
    assert rows.dtype == np.float32
    assert read.rows([])[0].shape == (0, 3)


def test_a_first_line_of_counts_is_passed_over(tmp_path: Path) -> None:
    read = word_vectors.read(write(tmp_path / "fasttext.vec", "2 3\nthe 1 2 3 \nof 4 5 6 \n"))
    assert read.words == ("the", "of")
    assert read.vectors.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("the 1 2 3\nof 1 2\n", "line 2: not a word and its 3 numbers"),
        ("the 1 2 3\nof 1 2 x\n", "line 2: not 3 numbers behind a word"),
        ("the 1 2 3\nof 1 2 nan\n", "line 2: not 3 numbers"),
        ("the 1 2 3\n\n", "line 2: not a word and its 3 numbers"),
        ("the\n", "line 1: not a word and its many numbers"),
        ("", "no vector of any of the wanted words"),
    ],
)
def test_a_damaged_file_is_told_by_its_line(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path / "glove.txt", content)
    with pytest.raises(DataError, match=rf"^{path}: {message}"):
        word_vectors.read(path)


@pytest.mark.data
def test_the_real_vectors(real_texts: Path) -> None:
    read = word_vectors.read(real_texts / "glove_twitter_25d" / "glove_twitter_25d_12k.txt.xz")
    assert (len(read.words), read.size) == (11_925, 25)
    rows, known = read.rows(["happy", "glad", "the"])
    assert known.all()
    lengths = np.linalg.norm(rows, axis=1)
    alike = rows @ rows.T / np.outer(lengths, lengths)
    assert alike[0, 1] > alike[0, 2]
