from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import Config, parse_config
from edge.errors import ModelError
from edge.observation import UNSURE, TextLine
from edge.pipeline.text import Reading, TextPipeline
from edge.recognizers.text_emotion import TextRecognizer
from tests.edge.text_helpers import EMOTION_SETTINGS, EMOTIONS, install_text_model


def line(text: str, number: int = 0) -> TextLine:
    return TextLine(text, number, 1000.0 + number, 10.0 + number, "lines.fifo")


@pytest.fixture
def pipeline(text_model: Path) -> TextPipeline:
    return TextPipeline.from_config(Config())


def test_a_line_is_an_observation(pipeline: TextPipeline) -> None:
    (seen,) = pipeline(line("I am happy today!", number=3))
    assert (seen.modality, seen.source, seen.wall_time, seen.monotonic_time) == ("text", "lines.fifo", 1003.0, 13.0)
    assert (seen.label, seen.changed, seen.track, seen.box) == ("happy", True, None, None)
    assert seen.confidence == seen.probabilities["happy"] == max(seen.probabilities.values())
    assert tuple(seen.probabilities) == pipeline.labels == EMOTIONS


def test_several_labels_may_hold_in_one_line(pipeline: TextPipeline) -> None:
    (seen,) = pipeline(line("wow i am happy"))
    assert seen.probabilities["surprise"] + seen.probabilities["happy"] > 1.5


def test_every_line_stands_for_itself_and_changes_are_marked(pipeline: TextPipeline) -> None:
    lines = ["i am happy", "i am happy", "i am sad", "bonjour tout le monde", "i am sad", "", "i am sad"]
    seen = [one for number, text in enumerate(lines) for one in pipeline(line(text, number))]
    assert [one.label for one in seen] == ["happy", "happy", "sad", UNSURE, "sad", "sad"]
    assert [one.changed for one in seen] == [True, False, True, True, True, False]
    # No smoothing: the same line has the same answer, whatever went before.
    assert seen[2].probabilities == seen[4].probabilities == seen[5].probabilities
    figures = pipeline.figures
    assert (figures.lines, figures.wordless, figures.observations) == (7, 1, 6)


@pytest.mark.parametrize("text", ["", "   ", "\0\x1b\x07", "...", "?!", "\ufeff\u200b"])
def test_where_there_is_nothing_to_read_there_is_no_observation(pipeline: TextPipeline, text: str) -> None:
    assert pipeline(line(text)) == []
    assert pipeline.figures.wordless == 1


def test_a_long_line_is_read_in_parts_of_one_time(pipeline: TextPipeline) -> None:
    long = "I am happy today. " + "The weather is sad. " * 3 + "table " * EMOTION_SETTINGS.length + "wow"
    readings = list(pipeline.read(line(long)))
    assert [reading.observation.label for reading in readings[:4]] == ["happy", "sad", "sad", "sad"]
    assert readings[-1].observation.label == "surprise"
    assert {reading.observation.monotonic_time for reading in readings} == {10.0}
    assert " ".join(reading.text for reading in readings).split() == long.split()
    assert pipeline.figures.observations == len(readings)


def test_of_a_line_without_end_only_what_is_asked_for_is_read(
    text_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    recognize = TextRecognizer.recognize

    def counted(self: TextRecognizer, text: str) -> object:
        asked.append(text)
        return recognize(self, text)

    monkeypatch.setattr(TextRecognizer, "recognize", counted)
    readings = TextPipeline.from_config(Config()).read(line("i am happy. " * 10_000))
    assert [next(readings).observation.label for _ in range(3)] == ["happy"] * 3
    assert len(asked) == 3


def test_the_text_does_not_show_by_accident(pipeline: TextPipeline) -> None:
    (reading,) = pipeline.read(line("i am happy, says zanzibar"))
    assert isinstance(reading, Reading)
    assert reading.text == "i am happy, says zanzibar"
    for shown in (repr(reading), repr(reading.observation), str(reading.observation.as_dict())):
        assert "zanzibar" not in shown


def test_the_configuration_chooses_the_model(models_folder: Path) -> None:
    model = install_text_model(models_folder, name="other", unsure_below=1.0)
    for name in ("other", str(model)):
        chosen = TextPipeline.from_config(parse_config(f"text.model = '{name}'", Path("c.toml")))
        assert [one.label for one in chosen(line("i am happy"))] == [UNSURE]
    with pytest.raises(ModelError, match="no model 'absent' for the task 'text-emotion'"):
        TextPipeline.from_config(parse_config("text.model = 'absent'", Path("c.toml")))
