"""The speech benchmarks: their sounds, their checks, and the commands in a quick run. No test looks at a time."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks import speech_cost, speech_soak, speech_sounds, speech_stand_in
from benchmarks.speech_parts import PARTS, Listener, Watch, parts_of
from benchmarks.speech_stand_in import RATE, CheckedPipeline, MicrophoneStandIn
from edge.bench import sounds
from edge.config import Config
from edge.errors import DataError
from edge.features.logmel import LogMelSettings
from edge.observation import AudioBlock, Samples
from edge.pipeline import speech
from edge.pipeline.speech import Hop, SpeechPipeline
from edge.recognizers.speech_emotion import SpeechRecognizer
from tests.benchmarks.conftest import Benchmark
from tests.edge.speech_helpers import install_speech_model

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny speech model that knows nothing."""
    return install_speech_model(tmp_path / "models")


@pytest.fixture
def pipeline(model: Path) -> SpeechPipeline:
    return SpeechPipeline(SpeechRecognizer(model), Config())


def dbfs(sound: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64))))


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_gate_hears_the_voice_and_not_the_room(pipeline: SpeechPipeline, rate: int) -> None:
    voice = sounds.synthesised(20, rate)
    assert len(voice) == 20 * rate
    assert dbfs(voice) == pytest.approx(sounds.SPEECH_DBFS, abs=0.1)
    blocks = sounds.cut(voice, rate, position=0, source="voice")
    assert "silence" not in [hop.heard for block in blocks for hop in pipeline.hear(block)]
    pipeline.reset()
    blocks = sounds.cut(sounds.room(20, rate), rate, position=0, source="room")
    assert {hop.heard for block in blocks for hop in pipeline.hear(block)} == {"silence"}


def test_recordings_lose_their_pauses_and_get_one_loudness(tmp_path: Path) -> None:
    folder = tmp_path / "ravdess" / "Actor_01"
    folder.mkdir(parents=True)
    tone = np.sin(np.arange(16000) * 0.3)
    for number, gain in ((1, 0.9), (2, 0.01)):
        padded = np.concatenate([np.zeros(8000), gain * tone, np.zeros(8000)])
        soundfile.write(folder / f"03-01-01-01-01-01-0{number}.wav", padded, 16000)
    (folder / "03-01-notes.txt").write_text("no sound")
    sound = speech_sounds.recordings(tmp_path, 3.0, 48000)
    assert len(sound) == 3 * 48000 and sound.dtype == np.float32
    for second in sound.reshape(-1, 12000):
        assert dbfs(second) == pytest.approx(sounds.SPEECH_DBFS, abs=1.0)
    with pytest.raises(DataError, match="no recordings of RAVDESS"):
        speech_sounds.recordings(tmp_path / "absent", 1.0, 16000)


def test_a_listener_hears_a_hop_with_each_step(pipeline: SpeechPipeline) -> None:
    listener = Listener(pipeline, sounds.synthesised(3.3, 48000), 48000, lead_in=5)
    step = listener.steps(12)
    for turn in range(12):
        step(turn)
    assert len(listener.judged) == 12 and set(listener.judged) <= {"speech", "no speech"}
    assert pipeline.figures.gaps == 0


def test_stop_watches_change_nothing_but_tell_the_parts(model: Path) -> None:
    recognizer, sound = SpeechRecognizer(model), sounds.synthesised(4, 48000)
    plain = Listener(SpeechPipeline(recognizer, Config()), sound, 48000, lead_in=6)
    watch = Watch(SpeechPipeline(recognizer, Config()), sound, 48000, lead_in=6)
    untimed = vars(speech)["normalise"]
    for _ in range(8):
        plain.step(plain.blocks())
        watch.step(watch.blocks())
    assert vars(speech)["normalise"] is untimed
    assert watch.judged == plain.judged
    assert watch.pipeline.figures == plain.pipeline.figures
    parts = parts_of(watch, np.full(8, 10.0))
    assert list(parts) == [*PARTS, "the rest", "whole"]
    for name in set(PARTS) - {"smooth"}:
        assert (parts[name] > 0).all(), name
    np.testing.assert_array_equal(parts["smooth"] > 0, [judged == "speech" for judged in watch.judged])
    np.testing.assert_allclose(sum(parts[name] for name in (*PARTS, "the rest")), 10.0)


def test_ratios_are_told_of_what_was_measured() -> None:
    medians = {"features": 2.0, "resample": 1.0, "encoder": 3.0, "head": 1.0, "whole model": 10.0, "re-run": 8.0}
    assert speech_cost.ratios(medians) == {"whole model / encoder and head": 2.5}
    with_librosa = {**medians, "librosa": 9.0, "librosa resample": 6.0, "speech": 4.0, "silence": 2.0}
    assert speech_cost.ratios(with_librosa) == {
        "librosa / features": 4.5,
        "librosa and its resample / features and resample": 5.0,
        "whole model / encoder and head": 2.5,
        "re-run / speech": 2.0,
        "speech / silence": 2.0,
    }


def test_without_librosa_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    calls, absent = speech_cost._librosa_calls(LogMelSettings(), np.zeros(96000, np.float32), 48000)
    assert calls == {} and "pip install librosa" in absent


def found(benchmark: Benchmark, name: str, *arguments: str) -> dict[str, Any]:
    done = benchmark(name, "--json", "--quick", *arguments)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["benchmark"] == name
    return document


def test_speech_cost_compares_the_pipeline_with_librosa_and_the_whole_model(benchmark: Benchmark, model: Path) -> None:
    figures = found(benchmark, "speech_cost", "--model", str(model), "--rate", "44100")
    costs = figures["milliseconds_a_second"]
    ours = {"speech", "silence", "re-run", "encoder", "encoder invoke", "head", "head invoke", "whole model"}
    ours |= {"features", "resample"}
    assert costs.keys() - {"librosa", "librosa resample"} == ours
    for values in (*costs.values(), *figures["microseconds_a_hop"].values()):
        assert 0 < values["p5"] <= values["median"] <= values["p95"]
    assert ("librosa" in costs) == (figures["librosa_absent"] == "")
    assert figures["microseconds_a_hop"].keys() >= {*PARTS, "the rest", "whole"} - {"smooth"}
    for name, factor in figures["real_time_factor"].items():
        assert factor == pytest.approx(costs[name]["median"] / 1e3, abs=1e-6)
    assert figures["heard"]["silence"]["silence"] == figures["protocol"]["rounds"] == 20
    assert figures["heard"]["speech"]["silence"] == 0
    assert figures["paced_cpu_milliseconds_a_second"].keys() == {"speech", "silence"}


def test_hours_of_sound_leave_nothing_behind(benchmark: Benchmark, model: Path) -> None:
    figures = found(benchmark, "speech_soak", "--model", str(model))
    assert figures["wrong"] == []
    whole, drops = figures["runs"]["nothing lost"], figures["runs"]["with drops"]
    # Two minutes, of which the first second completes no hop.
    assert whole["hops"] == 2 * 120 - 2 and whole["gaps"] == whole["losses"] == 0
    assert whole["heard_seconds"] == 120
    assert drops["gaps"] == drops["losses"] > 3
    assert drops["heard_seconds"] + drops["lost_seconds"] == pytest.approx(120)
    for run in (whole, drops):
        assert len(run["samples"]) == 10
        assert run["silent"] > 30 and run["encoded"] > 100
        assert run["worst_drift_ms"] < 0.1


def test_a_stand_in_counts_what_it_drops() -> None:
    source = MicrophoneStandIn(np.zeros(RATE, np.float32), blocks=1000, drop=0.05)
    blocks = list(source)
    jumps = [now.position - then.position for then, now in pairwise(blocks)]
    gaps = [jump // 2400 - 1 for jump in jumps if jump != 2400]
    assert source.losses == len(gaps) > 10
    assert set(gaps) == set(range(1, speech_stand_in.MAX_DROPPED + 1))
    assert source.figures.lost_samples == 2400 * sum(gaps)
    assert source.figures.blocks == len(blocks) == 1000 - sum(gaps)


@pytest.mark.parametrize("fault", ["a hop is lost", "a hop comes twice", "the clock is believed"])
def test_faults_of_a_pipeline_are_found(model: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    right = SpeechPipeline.hear

    def wrong(pipeline: SpeechPipeline, block: AudioBlock) -> list[Hop]:
        if fault == "the clock is believed":
            # Counted from the beginning with the rate that the microphone only nearly has.
            seconds = block.position / block.rate
            block = AudioBlock(block.samples, block.rate, block.position, seconds, seconds, block.source)
        hops = right(pipeline, block)
        if pipeline.figures.hops == 100 and hops:
            return [] if fault == "a hop is lost" else hops * 2 if fault == "a hop comes twice" else hops
        return hops

    monkeypatch.setattr(SpeechPipeline, "hear", wrong)
    source = MicrophoneStandIn(sounds.synthesised(10, RATE), blocks=2000)
    pipeline = CheckedPipeline(SpeechRecognizer(model), Config(), source)
    for block in source:
        pipeline.hear(block)
    pipeline.finish()
    assert pipeline.worst_drift * 1e3 > speech_soak.MAX_DRIFT_MS
    assert pipeline.missing_hops == (1 if fault == "a hop is lost" else 0)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({}, None),
        ({"worst_drift_ms": 1.1}, "a hop's time was 1.1 ms off"),
        ({"missing_hops": 2}, "2 hops are missing"),
        ({"gaps": 6}, "6 gaps were noticed where 7 were made"),
        ({"lost_seconds": 1.4}, "58.5 s heard and 1.4 s lost are not the 60.0 s there were"),
    ],
)
def test_what_does_not_fit_together_is_named(change: dict[str, float], phrase: str | None) -> None:
    figures: dict[str, float] = {
        "worst_drift_ms": 0.002,
        "missing_hops": 0,
        "gaps": 7,
        "losses": 7,
        "heard_seconds": 58.5,
        "lost_seconds": 1.5,
        "seconds": 60.0,
    }
    phrases = speech_soak.wrong({**figures, **change})
    assert (len(phrases) == 1 and phrases[0].startswith(phrase)) if phrase else phrases == []


@pytest.mark.parametrize("name", ["speech_cost", "speech_soak"])
def test_help_teaches(benchmark: Benchmark, name: str) -> None:
    done = benchmark(name, "--help")
    assert done.returncode == 0
    assert "examples:\n  python -m benchmarks." + name in done.stdout


@pytest.mark.parametrize("name", ["speech_cost", "speech_soak"])
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--model", "absent.tflite"), 1, "absent.tflite: no such model file"),
        (("--model", "{model}", "--data", "absent"), 1, "absent: holds no recordings of RAVDESS"),
    ],
)
def test_bad_arguments_are_told(
    benchmark: Benchmark, model: Path, name: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = benchmark(name, *(argument.format(model=model) for argument in arguments))
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
