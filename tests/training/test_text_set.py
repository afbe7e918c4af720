"""Texts with their targets, and what is dropped from training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.errors import DataError
from training.datasets.text_set import Cleaning, TextSet, untouched, without_doubles, without_leaks


def texts(*all_texts: str) -> TextSet:
    """One label, 1 for every other text."""
    n = len(all_texts)
    targets = (np.arange(n) % 2).astype(np.float32)[:, None]
    return TextSet(all_texts, targets, ("odd",), tuple(f"id{number}" for number in range(n)), untouched(n))


def test_what_a_model_sees_alike_in_what_is_held_out_is_dropped() -> None:
    training = texts("I can't", "fine", "Thanks!!!!", "Fine .", "sooooo", "no")
    held = [texts("i cannot", "thanks !!!"), texts("fine.", "soo")]
    kept = without_leaks(training, held)
    assert kept.texts == ("fine", "no")
    assert kept.ids == ("id1", "id5")
    assert kept.targets.tolist() == [[1], [1]]
    assert kept.cleaning == Cleaning(read=6, leaked=4, doubles=0, kept=2)
    assert kept.cleaning.as_dict() == {"read": 6, "leaked": 4, "doubles": 0, "kept": 2}


def test_training_texts_that_are_all_held_out_are_refused() -> None:
    with pytest.raises(DataError, match="all 2 training texts stand in validation or test too; is one file a copy"):
        without_leaks(texts("a", "b"), [texts("b"), texts("A")])


def test_the_first_of_equal_texts_stays() -> None:
    kept = without_doubles(texts("one", "Two.", "one", "two .", "ONE"))
    assert kept.texts == ("one", "Two.")
    assert kept.targets.tolist() == [[0], [1]]
    assert kept.cleaning == Cleaning(read=5, leaked=0, doubles=3, kept=2)


def test_texts_are_taken_by_mask_and_by_number() -> None:
    whole = texts("a", "b", "c")
    assert whole.take(np.array([True, False, True])).texts == ("a", "c")
    assert whole.take(np.array([2, 0])).ids == ("id2", "id0")
    assert len(whole.take(np.zeros(3, bool))) == 0


def test_the_digest_is_of_texts_and_targets() -> None:
    whole = texts("a", "b")
    assert whole.digest() == texts("a", "b").digest()
    assert whole.digest() != texts("a", "c").digest()
    assert whole.digest() != replace(whole, targets=whole.targets[::-1]).digest()


def test_texts_and_targets_belong_together() -> None:
    with pytest.raises(ValueError, match="2 texts, 2 ids and 2 labels"):
        replace(texts("a", "b"), labels=("odd", "even"))
