"""What listening costs: milliseconds for each second of sound, on one thread, at the model's hop of half a second.

Measured in one process, in turns, each of them on half a second of sound:

  speech, silence    SpeechPipeline on blocks of 50 ms at a microphone's rate, in speech and in a quiet room
  re-run             the same speech without keeping anything: resample, log-mel of the whole context, every one of its
                     windows through the encoder, then the head
  features           LogMelStream and normalise on 16 kHz sound
  librosa            the same numbers by librosa: melspectrogram, power_to_db; then normalise
  resample           Resampler from the microphone's rate to 16 kHz
  librosa resample   librosa.resample (soxr_hq), which does not stream
  encoder, head      SpeechRecognizer.encode on one window, .classify on the kept embeddings
  ... invoke         only the interpreter's own invoke(), its input already set
  whole model        all windows of the context through the encoder, then the head

A real-time factor is seconds of work for a second of sound; the aim is under 0.01 with speech. What a hop consists of
is measured in another pipeline, whose parts carry stop watches. 'paced' runs the pipeline as a microphone does, block
by block with pauses, and tells the processor time of all threads: the pauses let caches go cold and clocks go slow.

The sound is RAVDESS's, from --data, or a synthesised voice.

examples:
  python -m benchmarks.speech_cost
  python -m benchmarks.speech_cost --data ../shared/data/speech --rate 44100 --json
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# One thread, for librosa's matrix products too; read when NumPy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from benchmarks import measuring
from benchmarks.speech_parts import Listener, Watch, parts_of
from benchmarks.speech_sounds import recordings
from edge.bench.sounds import room, synthesised
from edge.config import Config
from edge.features.logmel import LogMelSettings, LogMelStream, log_mel, normalise
from edge.features.resampling import Resampler, resample
from edge.inference.catalog import find_model
from edge.observation import Samples
from edge.pipeline.speech import SpeechPipeline
from edge.recognizers.speech_emotion import SpeechRecognizer

AIM = 0.01
"""The real-time factor that the project allows itself, with speech."""

SOUND_SECONDS = 60

Calls = dict[str, Callable[[int], object]]


def measure(
    model: Path, *, data: Path | None, rate: int, rounds: int, paced: float, progress: bool
) -> measuring.Results:
    """Time the pipeline, its parts and what they are compared with."""
    from tqdm import tqdm

    recognizer = SpeechRecognizer(model)
    sound = recordings(data, SOUND_SECONDS, rate) if data else synthesised(SOUND_SECONDS, rate)
    quiet = room(SOUND_SECONDS, rate)
    warmup = max(5, rounds // 10)
    listeners = {
        name: kind(SpeechPipeline(recognizer, Config()), heard, rate, lead_in=recognizer.windows + 3)
        for name, kind, heard in (("speech", Listener, sound), ("silence", Listener, quiet), ("parts", Watch, sound))
    }
    calls: Calls = {name: listener.steps(rounds + warmup) for name, listener in listeners.items()}
    calls |= _model_calls(recognizer, sound, rate) | _feature_calls(recognizer.settings, sound, rate)
    librosa_calls, absent = _librosa_calls(recognizer.settings, sound, rate)
    calls |= librosa_calls
    with tqdm(total=rounds + warmup, unit="round", disable=not progress) as bar:
        seconds = measuring.interleaved(calls, rounds=rounds, warmup=warmup, advance=bar.update)
    watch = listeners["parts"]
    assert isinstance(watch, Watch)
    parts = parts_of(watch, seconds.pop("parts"))
    # Of the pipelines, the hops that are what they were meant to be.
    seconds["silence"] = seconds["silence"][_judged(listeners["silence"], rounds, {"silence"})]
    seconds["speech"] = seconds["speech"][_judged(listeners["speech"], rounds, {"speech", "no speech"})]
    meant = _judged(watch, rounds, {"speech", "no speech"})
    parts = {part: values[meant] for part, values in parts.items()}
    # Only what is taken for speech is smoothed.
    parts["smooth"] = parts["smooth"][parts["smooth"] > 0]
    a_second = 1 / recognizer.settings.step_seconds
    costs = {name: measuring.spread(values, 1e3 * a_second, 4) for name, values in seconds.items() if len(values)}
    paces = {"speech": listeners["speech"], "silence": listeners["silence"]} if paced else {}
    return {
        "model": {"file": model.name, "sha256": recognizer.manifest.sha256, "version": recognizer.manifest.version},
        "sound": f"RAVDESS, {SOUND_SECONDS} s of it, without pauses" if data else "a synthesised voice",
        "protocol": {
            "rounds": rounds,
            "warmup": warmup,
            "rate": rate,
            "hop_s": recognizer.settings.step_seconds,
            "windows": recognizer.windows,
            "threads": 1,
            "aim_real_time_factor": AIM,
        },
        "heard": {
            name: {what: listener.judged[-rounds:].count(what) for what in ("speech", "no speech", "silence")}
            for name, listener in listeners.items()
        },
        "milliseconds_a_second": costs,
        "real_time_factor": {
            name: round(costs[name]["median"] / 1e3, 6) for name in ("speech", "silence", "re-run") if name in costs
        },
        "ratios": ratios({name: values["median"] for name, values in costs.items()}),
        "microseconds_a_hop": {part: measuring.spread(values, 1e6) for part, values in parts.items() if len(values)},
        "paced_cpu_milliseconds_a_second": {
            name: round(_paced(listener, paced) * 1e3, 3) for name, listener in paces.items()
        },
        "librosa_absent": absent,
    }


def _judged(listener: Listener, rounds: int, meant: set[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([judged in meant for judged in listener.judged[-rounds:]])


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """How many times dearer one way is than another, for each pair of which both were measured."""
    sums = dict(medians)
    for name, parts in (
        ("encoder and head", ("encoder", "head")),
        ("features and resample", ("features", "resample")),
        ("librosa and its resample", ("librosa", "librosa resample")),
    ):
        if all(part in medians for part in parts):
            sums[name] = sum(medians[part] for part in parts)
    pairs = (
        ("librosa", "features"),
        ("librosa and its resample", "features and resample"),
        ("whole model", "encoder and head"),
        ("re-run", "speech"),
        ("speech", "silence"),
    )
    return {
        f"{dear} / {cheap}": round(sums[dear] / sums[cheap], 2)
        for dear, cheap in pairs
        if dear in sums and cheap in sums
    }


def _model_calls(recognizer: SpeechRecognizer, sound: Samples, rate: int) -> Calls:
    settings, windows = recognizer.settings, recognizer.windows
    frames = (windows - 1) * settings.step + settings.frames
    samples = (frames - 1) * settings.hop + settings.fft
    context = resample(sound, rate, settings.rate)[:samples]
    hop = sound[: round(rate * settings.step_seconds)]
    resampler = Resampler(rate, settings.rate)

    def encode_all(decibels: Samples) -> Samples:
        cut = np.lib.stride_tricks.sliding_window_view(decibels, settings.frames, axis=0)[:: settings.step]
        inputs = normalise(cut.transpose(0, 2, 1), settings)
        return recognizer.classify(np.stack([recognizer.encode(window) for window in inputs]))

    def rerun(turn: int) -> object:
        resampler.feed(hop)
        return encode_all(log_mel(context, settings))

    inputs = normalise(np.stack([log_mel(context, settings)[: settings.frames]] * windows).astype(np.float32), settings)
    kept = np.stack([recognizer.encode(window) for window in inputs])
    encoder, head = recognizer._encoder._backend, recognizer._head._backend
    return {
        "re-run": rerun,
        "encoder": lambda turn: recognizer.encode(inputs[turn % windows]),
        "encoder invoke": lambda turn: encoder.invoke(),
        "head": lambda turn: recognizer.classify(kept),
        "head invoke": lambda turn: head.invoke(),
        "whole model": lambda turn: recognizer.classify(np.stack([recognizer.encode(window) for window in inputs])),
    }


def _feature_calls(settings: LogMelSettings, sound: Samples, rate: int) -> Calls:
    stream, resampler = LogMelStream(settings), Resampler(rate, settings.rate)
    hop = sound[: round(rate * settings.step_seconds)]
    blocks = np.array_split(hop, 10)
    ready = resample(sound, rate, settings.rate)[: settings.step_samples]
    window = log_mel(resample(sound, rate, settings.rate), settings)[: settings.frames]

    def features(turn: int) -> object:
        window[: settings.step] = stream.feed(ready)[-1:].reshape(-1, settings.bands)
        return normalise(window, settings)

    stream.feed(np.zeros(settings.block_samples - settings.step_samples, np.float32))
    return {"features": features, "resample": lambda turn: [resampler.feed(block) for block in blocks]}


def _librosa_calls(settings: LogMelSettings, sound: Samples, rate: int) -> tuple[Calls, str]:
    """What librosa does for a step, and why there is nothing."""
    try:
        import librosa
    except ImportError:
        return {}, "librosa is not installed: pip install librosa"
    hop = sound[: round(rate * settings.step_seconds)]
    ready = resample(sound, rate, settings.rate)[: settings.block_samples]
    window = log_mel(resample(sound, rate, settings.rate), settings)[: settings.frames]

    def features(turn: int) -> object:
        power = librosa.feature.melspectrogram(
            y=ready,
            sr=settings.rate,
            n_fft=settings.fft,
            hop_length=settings.hop,
            n_mels=settings.bands,
            fmin=settings.low_hz,
            fmax=settings.high_hz,
            center=False,
        )
        window[: settings.step] = librosa.power_to_db(power, amin=settings.floor, top_db=None).T
        return normalise(window, settings)

    calls: Calls = {"librosa": features}
    if rate != settings.rate:
        calls["librosa resample"] = lambda turn: librosa.resample(hop, orig_sr=rate, target_sr=settings.rate)
    return calls, ""


def _paced(listener: Listener, seconds: float) -> float:
    """Processor time, of all threads, for each second of sound that comes in at its own pace."""
    blocks = [
        block for _ in range(max(1, round(seconds / listener.pipeline.step_seconds))) for block in listener.blocks()
    ]
    began, spent = time.monotonic(), time.process_time()
    for block in blocks:
        due = began + block.monotonic_time - blocks[0].monotonic_time
        time.sleep(max(0.0, due - time.monotonic()))
        listener.pipeline.hear(block)
    return (time.process_time() - spent) / (len(blocks) * len(blocks[0].samples) / blocks[0].rate)


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol, costs = results["protocol"], results["milliseconds_a_second"]
    yield (
        f"{protocol['rounds']} rounds in turn after {protocol['warmup']} to warm up, a hop of {protocol['hop_s']:g} s "
        f"each; {results['sound']}, {protocol['rate']} Hz; {results['model']['file']}, context of "
        f"{protocol['windows']} windows; one thread"
    )
    yield ""
    yield f"{'for each second of sound':<26}{'median':>10}{'5 %':>10}{'95 %':>10}{'':7}{'real-time factor':>17}"
    for name, values in costs.items():
        yield (
            f"{name:<26}{values['median']:>10.3f}{values['p5']:>10.3f}{values['p95']:>10.3f} {'ms':<6}"
            f"{values['median'] / 1e3:>17.5f}"
        )
    yield ""
    yield f"{'of a hop with speech':<26}{'median':>10}{'5 %':>10}{'95 %':>10}"
    for name, values in results["microseconds_a_hop"].items():
        yield f"{name:<26}{values['median']:>10.1f}{values['p5']:>10.1f}{values['p95']:>10.1f} us"
    yield ""
    for pair, times in results["ratios"].items():
        yield f"{pair:<52}{times:>10.2f}x"
    for name, spent in results["paced_cpu_milliseconds_a_second"].items():
        yield f"paced as by a microphone, {name}: {spent:g} ms of processor time for a second of sound"
    yield f"aim: a real-time factor under {AIM:g} with speech; heard: {_counts(results['heard'])}"
    if results["librosa_absent"]:
        yield f"librosa: {results['librosa_absent']}"


def _counts(heard: dict[str, dict[str, int]]) -> str:
    return "; ".join(
        f"in '{name}' " + ", ".join(f"{what} {count}" for what, count in counts.items() if count)
        for name, counts in heard.items()
        if name != "parts"
    )


def run(arguments: argparse.Namespace) -> int:
    results = measure(
        find_model("speech-emotion", arguments.model or Config().speech.model),
        data=arguments.data,
        rate=arguments.rate,
        rounds=20 if arguments.quick else arguments.rounds,
        paced=1.0 if arguments.quick else arguments.paced,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("speech_cost", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.speech_cost", __doc__)
    parser.add_argument("--model", metavar="NAME|FILE", help="the speech model (default: the configuration's)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of RAVDESS (default: a synthesised voice)")
    parser.add_argument(
        "--rate", type=measuring.positive, default=48000, metavar="HZ", help="of the microphone (default 48000)"
    )
    parser.add_argument("--rounds", type=measuring.positive, default=300, metavar="N", help="hops (default 300)")
    parser.add_argument(
        "--paced", type=float, default=10.0, metavar="SECONDS", help="of sound at its own pace (default 10; 0: none)"
    )
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
