"""Tokens become a model's numbers: the same on every machine, within the table, and no slower after months."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from edge.features.token_ids import FIRST_WORD, PADDING, UNKNOWN, TextSettings, TokenIds, pieces_of

WORDS = TextSettings(length=5, words=("sun", "rain"))
PIECES = TextSettings(length=3, words=("sun", "rain"), buckets=100, shortest=3, longest=4, pieces=6)


def test_words_have_their_own_numbers_and_others_share_one() -> None:
    ids = TokenIds(WORDS)(["rain", "stranger", "sun"])
    assert ids.dtype == np.int32
    assert ids[:, 0].tolist() == [FIRST_WORD + 1, UNKNOWN, FIRST_WORD, PADDING, PADDING]


def test_what_is_too_long_is_cut() -> None:
    assert TokenIds(WORDS)(["sun"] * 9).shape == (5, 1)


def test_the_pieces_of_a_word_are_framed_and_the_shortest_come_first() -> None:
    assert pieces_of("sun", PIECES) == ["<su", "sun", "un>", "<sun", "sun>"]


def test_words_that_look_alike_share_pieces() -> None:
    number = TokenIds(PIECES)
    sunny, sun = number(["sunny"])[0], number(["sun"])[0]
    assert sunny[0] == UNKNOWN
    assert set(sunny[1:]) & set(sun[1:])


def test_marks_and_symbols_have_no_pieces() -> None:
    for token in ("!!", ":)", "<number>"):
        assert TokenIds(PIECES)([token])[0].tolist() == [UNKNOWN, *[PADDING] * 5]


def test_all_numbers_lie_in_the_table() -> None:
    number = TokenIds(PIECES)
    ids = np.concatenate([number([f"word{letter}{other}"]) for letter in "abcdefgh" for other in "ijklmnop"])
    assert ids.min() >= 0
    assert ids.max() < PIECES.numbers == FIRST_WORD + 2 + 100


def test_the_same_word_has_the_same_numbers_in_another_process() -> None:
    code = "from tests.edge.features.test_token_ids import *; print(TokenIds(PIECES)(['wonderful'])[0].tolist())"
    here = TokenIds(PIECES)(["wonderful"])[0].tolist()
    for seed in ("1", "2"):  # Python's own hash differs with it
        there = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == str(here)


def test_only_so_many_words_are_remembered() -> None:
    number = TokenIds(PIECES)
    for each in range(21_000):
        number([f"w{each:x}"])
    assert number._row.cache_info().currsize == 20_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"buckets": 10},
        {"pieces": 3},
        {"longest": 2},
        {"words": ()},
        {"words": ("a", "a")},
        {"words": ("",)},
        {"buckets": -1},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"length|pieces|longest|words|buckets"):
        TextSettings(**{"words": ("a",), **wrong})
