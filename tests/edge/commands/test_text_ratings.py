"""`affect-edge text` and `models` with a model that rates too: three of the tiny model's outputs are taken for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from tests.edge.text_helpers import EMOTIONS, alter

LONG = "I am so happy today. You are sad and angry! Wow. The weather was not with my friend. Heute ist ein Tag!"
"""Beyond the tiny model's 12 tokens: its sentences are a part each, and the last one is in another language."""

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def rating_model(text_model: Path) -> Path:
    alter(text_model, labels=EMOTIONS[:4], ratings=["valence", "arousal", "dominance"])
    return text_model


def test_ratings_stand_behind_the_labels(capsys: Printed) -> None:
    assert main(["text", "sad weather", "the weather", "Heute ist Tag", "--show-text"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.endswith("%); valence 5.0, arousal 1.0, dominance 1.0 (1 to 5)  sad weather")
    assert second.endswith("%); valence 1.0, arousal 1.0, dominance 3.5 (1 to 5)  the weather")
    assert "valence" not in third


def test_ratings_in_json(capsys: Printed) -> None:
    assert main(["text", "the weather", "...", "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["ratings"] == {"valence": 1.0, "arousal": 1.0, "dominance": pytest.approx(3.5, abs=0.1)}
    assert list(first["probabilities"]) == list(EMOTIONS[:4])
    assert second["ratings"] == {}


def test_a_long_text_has_the_mean_of_its_parts(capsys: Printed) -> None:
    assert main(["text", LONG, "--json"]) == 0
    *parts, mean = map(json.loads, capsys.readouterr().out.splitlines())
    read = [part["ratings"] for part in parts if part["ratings"]]
    assert (len(parts), len(read), mean["read"]) == (5, 4, 4)
    for name in ("valence", "arousal", "dominance"):
        assert mean["ratings"][name] == pytest.approx(sum(part[name] for part in read) / 4, abs=1e-3)
    assert main(["text", LONG]) == 0
    assert "; valence 2.0, arousal 2.0, dominance " in capsys.readouterr().out.splitlines()[-1]


def test_models_tells_of_them(capsys: Printed) -> None:
    assert main(["models", "list"]) == 0
    assert "  rates     valence, arousal, dominance (1 to 5)\n" in capsys.readouterr().out
