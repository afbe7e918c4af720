from __future__ import annotations

import numpy as np

from edge.features.token_ids import PADDING, UNKNOWN, TextSettings
from training.datasets.text_batches import TextBatches, runs_of, settings_of
from training.recipe_parts import TextFeatures

SETTINGS = TextSettings(length=4, words=tuple("abcdefghij"))


def batches(tokens: list[list[str]], *, unknown: float = 0.0, seed: int = 1) -> TextBatches:
    targets = np.arange(len(tokens), dtype=np.float32)[:, None]
    return TextBatches(tokens, targets, SETTINGS, unknown=unknown, batch_size=2, seed=seed)


def test_the_vocabulary_is_the_most_frequent_words_and_the_same_for_the_same_texts() -> None:
    texts = [["b", "a", "c"], ["a", "b", "d"], ["a"]]
    features = TextFeatures(length=4, words=3, least=1)
    assert settings_of(features, texts).words == ("a", "b", "c")  # c and d are equally frequent: by the alphabet
    assert settings_of(features, texts[::-1]).words == ("a", "b", "c")
    assert settings_of(TextFeatures(length=4, words=9, least=2), texts).words == ("a", "b")


def test_an_epoch_has_each_text_once_with_its_own_target() -> None:
    each = batches([[letter] for letter in "abcdef"])
    found = {int(target[0]): int(ids[0, 0]) for index in range(3) for ids, target in zip(*each[index], strict=True)}
    assert found == {number: number + 2 for number in range(6)}


def test_epochs_differ_and_can_be_had_again() -> None:
    each = batches([list("abcdefghij")[number:] for number in range(6)])
    first = [each[index][0] for index in range(3)]
    each.epoch = 1
    assert not np.array_equal(first, [each[index][0] for index in range(3)])
    each.epoch = 0
    assert np.array_equal(first, [each[index][0] for index in range(3)])


def test_a_long_text_gives_another_run_of_its_tokens_each_time() -> None:
    each = batches([list("abcdefghij")] * 2)
    begun = set()
    for each.epoch in range(40):
        ids = each[0][0][..., 0]
        assert (np.diff(ids, axis=1) == 1).all()  # tokens that follow one another
        begun.update(ids[:, 0].tolist())
    assert begun == set(range(2, 9))


def test_some_tokens_are_hidden_and_padding_is_none_of_them() -> None:
    each = batches([["a", "b"]] * 400, unknown=0.25)
    ids = np.concatenate([each[index][0] for index in range(200)])[..., 0]
    assert (ids[:, 2:] == PADDING).all()
    assert 0.2 < (ids[:, :2] == UNKNOWN).mean() < 0.3


def test_a_text_in_runs_loses_nothing() -> None:
    assert runs_of(list("abcdefghi"), 4) == [list("abcd"), list("efgh"), ["i"]]
    assert runs_of([], 4) == [[]]
