from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge.config import Config
from edge.config_sections import SmoothingConfig, SpeechConfig
from edge.errors import ModelError
from edge.features.logmel import LogMelSettings, log_mel, normalise
from edge.features.resampling import resample
from edge.observation import NO_SPEECH, UNSURE, AudioBlock
from edge.pipeline.speech import Hop, SpeechPipeline
from edge.pipeline.speech_gate import SpeechGate
from edge.recognizers.speech_emotion import SpeechRecognizer
from tests.edge.speech_helpers import RATE, SPEECH_LABELS, FloatArray, blocks, noise, talk

SETTINGS = LogMelSettings()
REACH = (SETTINGS.frames - 1) * SETTINGS.hop + SETTINGS.fft
"""Samples of one window."""


def talk_and_pauses() -> FloatArray:
    """Speech, three seconds of a quiet room, speech, a long pause, speech."""
    room = noise(20, -70)
    room[: 4 * RATE] += talk(4, -25, seed=1)
    room[7 * RATE : 9 * RATE] += talk(2, -30, seed=2)
    room[16 * RATE : 20 * RATE] += talk(4, -20, seed=3)
    return room


def from_scratch(recognizer: SpeechRecognizer, samples: FloatArray, config: Config) -> list[FloatArray | None]:
    """Each hop's answer the long way: all windows cut anew from the whole sound, all encoded, no state but the gate's.

    None where the gate was closed over the whole of the newest window.
    """
    settings = recognizer.settings
    length, step = settings.frames, settings.step
    spectrogram = log_mel(samples, settings)
    speech = config.speech
    gate = SpeechGate(settings, margin_db=speech.margin_db, silence_dbfs=speech.silence_dbfs)
    loud = [gate(spectrogram[begin : begin + step]) for begin in range(0, len(spectrogram) - step + 1, step)]
    answers: list[FloatArray | None] = []
    for end in range(length, len(spectrogram) + 1, step):
        embeddings = []
        for begin in range(end - length - (recognizer.windows - 1) * step, end - length + 1, step):
            if begin < 0 or not any(loud[begin // step : (begin + length) // step]):
                embeddings.append(recognizer.silent)
            else:
                embeddings.append(recognizer.encode(normalise(spectrogram[begin : begin + length], settings)))
        silent = not any(loud[(end - length) // step : end // step])
        answers.append(None if silent else recognizer.classify(np.stack(embeddings)))
    return answers


def hear(pipeline: SpeechPipeline, sound: list[AudioBlock]) -> list[Hop]:
    return [hop for block in sound for hop in pipeline.hear(block)]


@pytest.fixture(params=["small", "shipped"])
def model(request: pytest.FixtureRequest, speech_model: Path) -> Path:
    """The tiny speech model, then the one that ships."""
    if request.param == "small":
        return speech_model
    shipped = Path(__file__).parents[3] / "models" / "speech-emotion" / "speech.tflite"
    if not shipped.exists():
        pytest.skip("no speech model ships with this checkout")
    return shipped


@pytest.mark.parametrize("size", [1, 37, 800, 8000, 400_000])
def test_streaming_equals_the_whole_model_run_anew_for_each_hop(model: Path, size: int) -> None:
    samples = talk_and_pauses()[: 5 * RATE if size == 1 else None]
    recognizer = SpeechRecognizer(model)
    pipeline = SpeechPipeline(recognizer, Config())
    found = [hop.probabilities for hop in hear(pipeline, blocks(samples, size=size))]
    expected = from_scratch(SpeechRecognizer(model), samples, Config())
    assert len(found) == len(expected) == (len(samples) - REACH) // SETTINGS.step_samples + 1
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or np.array_equal(one, other)
    answered = [one for one in expected if one is not None]
    assert pipeline.figures.encoded == len(answered)
    assert len({tuple(one) for one in answered}) > len(answered) / 2
    if size > 1:
        assert pipeline.figures.silent == len(expected) - len(answered) >= 10


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_another_rate_is_resampled_first(speech_model: Path, rate: int) -> None:
    samples = talk(4, -25, rate=rate)
    pipeline = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    hops = hear(pipeline, blocks(samples, rate=rate, size=rate // 20)) + pipeline.finish()
    expected = from_scratch(SpeechRecognizer(speech_model), resample(samples, rate, RATE), Config())
    assert len(hops) == len(expected) == 6
    for hop, answer in zip(hops, expected, strict=True):
        assert hop.probabilities is not None
        assert answer is not None
        assert np.array_equal(hop.probabilities, answer)
    # The moments are those of the sound, whatever the filter holds back.
    ends = [(REACH + hop * SETTINGS.step_samples) / RATE for hop in range(6)]
    assert [hop.monotonic_time for hop in hops] == pytest.approx(ends, abs=1e-6)
    assert [hop.wall_time - 1000 for hop in hops] == pytest.approx(ends, abs=1e-6)


def test_silence_costs_no_inference_and_gives_nothing(speech_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = SpeechRecognizer(speech_model)
    pipeline = SpeechPipeline(recognizer, Config())

    def never(*_: object) -> None:
        raise AssertionError("an inference in silence")

    monkeypatch.setattr(recognizer, "encode", never)
    monkeypatch.setattr(recognizer, "classify", never)
    hops = hear(pipeline, blocks(noise(30, -50)))
    assert {hop.heard for hop in hops} == {"silence"}
    assert all(hop.probabilities is None and hop.observation is None for hop in hops)
    assert (pipeline.figures.hops, pipeline.figures.silent, pipeline.figures.encoded) == (58, 58, 0)
    assert hops[-1].level_dbfs == pytest.approx(-52, abs=1)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_lost_sound_begins_a_new_context(speech_model: Path, rate: int) -> None:
    first, second = talk(4, -25, seed=1, rate=rate), talk(4, -25, seed=2, rate=rate)
    lost = len(first) + 123_456
    pipeline = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    hear(pipeline, blocks(first, rate=rate))
    after = hear(pipeline, blocks(second, rate=rate, position=lost))
    assert pipeline.figures.gaps == 1
    alone = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    expected = hear(alone, blocks(second, rate=rate))
    assert len(after) == len(expected)
    for hop, other in zip(after, expected, strict=True):
        assert hop.probabilities is not None
        assert other.probabilities is not None
        assert np.array_equal(hop.probabilities, other.probabilities)
    # The first hop after the gap comes when a whole window of what followed is there, and says when that was.
    assert after[0].monotonic_time == pytest.approx(lost / rate + REACH / RATE, abs=1e-6)
    assert alone.figures.gaps == 0


def test_a_reset_is_a_new_source_and_no_gap(speech_model: Path) -> None:
    pipeline = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    one = hear(pipeline, blocks(talk_and_pauses()))
    pipeline.reset()
    again = hear(pipeline, blocks(talk_and_pauses()))
    assert [hop.observation for hop in one] == [hop.observation for hop in again]
    assert pipeline.figures.gaps == 0
    assert pipeline.figures.hops == len(one) * 2


def test_a_reset_forgets_the_room(speech_model: Path) -> None:
    """A fan seems loud to who has just been in a quiet room."""
    quiet, fan = noise(5, -60), noise(3, -30)
    pipeline = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    hear(pipeline, blocks(quiet))
    assert hear(pipeline, blocks(fan, position=len(quiet)))[1].heard != "silence"
    pipeline.reset()
    hear(pipeline, blocks(quiet))
    pipeline.reset()
    assert {hop.heard for hop in hear(pipeline, blocks(fan))} == {"silence"}


class Scripted:
    """A recognizer that answers what it is told to, hop by hop."""

    labels = ("neutral", "angry", NO_SPEECH)
    windows = 3
    settings = SETTINGS
    silent = np.zeros(2, np.int8)

    def __init__(self, *answers: tuple[float, float, float]) -> None:
        self.manifest = self
        self.calibration = self
        self.unsure_below = 0.4
        self._answers = iter(answers)

    def encode(self, window: FloatArray) -> FloatArray:
        return np.zeros(2, np.float32)

    def classify(self, embeddings: FloatArray) -> FloatArray:
        return np.array(next(self._answers), np.float32)


def scripted(*answers: tuple[float, float, float], smoothing: SmoothingConfig | None = None) -> SpeechPipeline:
    config = Config(smoothing=smoothing or SmoothingConfig(half_life=0, hysteresis=0))
    return SpeechPipeline(cast(SpeechRecognizer, Scripted(*answers)), config)


def test_what_the_model_calls_no_speech_is_never_observed() -> None:
    pipeline = scripted((0.1, 0.8, 0.1), (0.3, 0.3, 0.4), (0.0, 0.1, 0.9), (0.8, 0.1, 0.1))
    hops = hear(pipeline, blocks(talk(3, -25)))
    assert [hop.heard for hop in hops] == ["speech", "no speech", "no speech", "speech"]
    assert [hop.observation and hop.observation.label for hop in hops] == ["angry", None, None, "neutral"]
    assert pipeline.figures.no_speech == 2
    first = hops[0].observation
    assert first is not None
    assert (first.modality, first.track, first.box, first.source) == ("speech", None, None, "test")
    assert first.probabilities == pytest.approx({"neutral": 0.1, "angry": 0.8, NO_SPEECH: 0.1})
    assert first.changed


def test_too_little_certainty_is_unsure() -> None:
    pipeline = scripted((0.35, 0.34, 0.31), (0.2, 0.5, 0.3))
    observations = [hop.observation for hop in hear(pipeline, blocks(talk(2, -25)))]
    assert [one and one.label for one in observations] == [UNSURE, "angry"]


def test_answers_are_smoothed_over_time() -> None:
    answers = [(0.1, 0.8, 0.1), (0.7, 0.2, 0.1), (0.7, 0.2, 0.1)]
    pipeline = scripted(*answers, smoothing=SmoothingConfig(half_life=0.5, hysteresis=0.1))
    seen = [hop.observation for hop in hear(pipeline, blocks(talk(2.5, -25)))]
    assert [one and one.label for one in seen] == ["angry", "angry", "neutral"]
    assert seen[1] is not None
    # Half a second on, the former answer counts half.
    assert seen[1].probabilities == pytest.approx({"neutral": 0.4, "angry": 0.5, NO_SPEECH: 0.1})


def test_no_speech_first_on_average_is_not_observed() -> None:
    answers = [(0.5, 0.1, 0.4), (0.0, 0.55, 0.45)]
    pipeline = scripted(*answers, smoothing=SmoothingConfig(half_life=0.5, hysteresis=0))
    hops = hear(pipeline, blocks(talk(2, -25)))
    assert [hop.heard for hop in hops] == ["speech", "speech"]
    assert [hop.observation and hop.observation.label for hop in hops] == ["neutral", None]


def test_who_speaks_after_a_long_pause_is_not_averaged_with_what_was_before() -> None:
    sound = np.concatenate([noise(3, -80), talk(2, -25), noise(4, -80), talk(2, -25)])
    smoothing = SmoothingConfig(half_life=60, hysteresis=0.9)
    pipeline = scripted(*[(0.0, 1.0, 0.0)] * 5, *[(1.0, 0.0, 0.0)] * 6, smoothing=smoothing)
    labels = [hop.observation.label for hop in hear(pipeline, blocks(sound)) if hop.observation]
    assert labels[:5] == ["angry"] * 5
    assert set(labels[5:]) == {"neutral"}


def test_sound_shorter_than_a_window_gives_no_hop(speech_model: Path) -> None:
    pipeline = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    assert hear(pipeline, blocks(talk(1, -25))) + pipeline.finish() == []
    assert pipeline.window_seconds == REACH / RATE
    assert SpeechPipeline(SpeechRecognizer(speech_model), Config()).finish() == []


def test_the_configuration_s_model_and_gate_are_used(speech_model: Path) -> None:
    pipeline = SpeechPipeline.from_config(Config(speech=SpeechConfig(silence_dbfs=-20.0)))
    assert pipeline.labels == SPEECH_LABELS
    assert {hop.heard for hop in hear(pipeline, blocks(talk(3, -30)))} == {"silence"}
    with pytest.raises(ModelError, match="no model 'opera' for the task 'speech-emotion'"):
        SpeechPipeline.from_config(Config(speech=SpeechConfig(model="opera")))


def test_calling_it_gives_the_observations(speech_model: Path) -> None:
    config = Config(smoothing=SmoothingConfig(unsure_below=0.0))
    called = SpeechPipeline(SpeechRecognizer(speech_model), config)
    heard = SpeechPipeline(SpeechRecognizer(speech_model), config)
    seen = [observation for block in blocks(talk(6, -25)) for observation in called(block)]
    assert seen == [hop.observation for hop in hear(heard, blocks(talk(6, -25))) if hop.observation]
    assert len(seen) > 3
    for observation in seen:
        assert observation.label in SPEECH_LABELS
        assert observation.label != NO_SPEECH
        assert sum(observation.probabilities.values()) == pytest.approx(1.0, abs=1e-4)


def test_an_hour_of_sound_neither_drifts_nor_grows(speech_model: Path) -> None:
    """A sound card 200 parts in a million too slow, and a wall clock that is set on the way."""
    pipeline = SpeechPipeline(SpeechRecognizer(speech_model), Config())
    turns = [sound for n in range(3) for sound in (talk(10, -25, seed=n), noise(10, -60, seed=n))]
    minute = np.concatenate(turns).reshape(-1, RATE // 2)
    hops: list[Hop] = []
    before = 0
    for number in range(7200):
        if number == 360:
            before = resident_bytes()
        position = number * RATE // 2
        true = position / RATE * 1.0002
        wall = true + (1_000_000 if number < 100 else 2_000_000)
        block = AudioBlock(minute[number % len(minute)], RATE, position, wall, true, "slow")
        hops += [replace(hop, probabilities=None, observation=None) for hop in pipeline.hear(block)]
    assert resident_bytes() - before < 5_000_000
    assert len(hops) == pipeline.figures.hops == 7199 - 1
    assert pipeline.figures.gaps == 0
    assert 3000 < pipeline.figures.silent < 3500
    last = (REACH + (len(hops) - 1) * SETTINGS.step_samples) / RATE * 1.0002
    assert hops[-1].monotonic_time == pytest.approx(last, abs=0.001)
    assert hops[-1].wall_time == pytest.approx(2_000_000 + last, abs=0.001)
    assert np.diff([hop.monotonic_time for hop in hops]) == pytest.approx(0.5001, abs=1e-4)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
