"""What is written differently and means the same becomes the same tokens; nothing that can be typed breaks it."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from edge.features.words import MOST_CHARACTERS, is_word, normalise, sentences, tokenise


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I can't believe it", ["i", "cannot", "believe", "it"]),
        (
            "They're here, we've won, he'll see",
            ["they", "are", "here", ",", "we", "have", "won", ",", "he", "will", "see"],
        ),
        ("don’t WON'T", ["do", "not", "will", "not"]),
        ("dont im gonna", ["do", "not", "i", "am", "going", "to"]),
        ("Tom's dog", ["tom", "dog"]),
        ("rock'n'roll o'clock", ["rock'n'roll", "o'clock"]),
        ("sooooo goooood", ["soo", "good"]),
        ("good", ["good"]),
        ("1000000", ["<number>"]),
        ("no!!!!!! why?!?! wait.....", ["no", "!!!", "why", "?!?", "wait", "..."]),
        ("3.5 of 10,000 at 12:30", ["<number>", "of", "<number>", "at", "<number>"]),
        ("see https://example.org/a?b=c or me@example.org", ["see", "<url>", "or", "<url>"]),
        ("@bob #happy [NAME]", ["bob", "happy", "[name]"]),
        ("naïve café Ångström", ["naive", "cafe", "angstrom"]),
        ("ＦＵＬＬ ﬁne", ["full", "fine"]),
        ("yes :) no :'( love <3 (so)", ["yes", ":)", "no", ":'(", "love", "<3", "(", "so", ")"]),
        ("👍🏽👍", [":thumbs_up_sign:", ":thumbs_up_sign:"]),
        ("❤️", [":heavy_black_heart:"]),
        ("a\x00b\x1bc\ud800d", ["a", "b", "c", "d"]),
        ("zero\u200bwidth", ["zerowidth"]),
        ("", []),
        (" \t\r\n ", []),
    ],
)
def test_the_plain_form(text: str, tokens: list[str]) -> None:
    assert tokenise(text) == tokens


def test_what_is_normalised_stays_as_it_is() -> None:
    for text in ("I can't!!", "sooo Ｆun", "naïve 👍🏽", "they're  here\n"):
        once = normalise(text)
        assert normalise(once) == once


def test_every_character_there_is_gives_tokens_without_spaces() -> None:
    for number in range(0, sys.maxunicode + 1, 7):
        for token in tokenise(f"a{chr(number)}b"):
            assert token
            assert " " not in token, hex(number)


@pytest.mark.parametrize("text", ["नमस्ते दुनिया", "你好吗", "שלום עולם", "Привет"])
def test_other_scripts_keep_their_letters(text: str) -> None:
    letters = [letter for letter in text if unicodedata.category(letter)[0] == "L"]
    assert "".join(tokenise(text)) == "".join(letters).lower()


def test_a_text_without_an_end_is_cut() -> None:
    assert len(normalise("ab " * MOST_CHARACTERS)) <= MOST_CHARACTERS


@pytest.mark.parametrize(("token", "expected"), [("word", True), ("...", False), ("<number>", False), (":)", False)])
def test_what_a_word_is(token: str, expected: bool) -> None:
    assert is_word(token) is expected


def test_sentences_end_at_marks_and_lines() -> None:
    text = 'It rains. Does it?! "Yes." So be it\nNew line… and more. Version 3.5 is out'
    assert sentences(text) == [
        "It rains.",
        "Does it?!",
        '"Yes."',
        "So be it",
        "New line…",
        "and more.",
        "Version 3.5 is out",
    ]
    assert sentences(" \n ") == []


def test_an_emoticon_stays_with_its_sentence() -> None:
    assert sentences("I won. :) See you") == ["I won. :)", "See you"]
