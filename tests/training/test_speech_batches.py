"""Training batches are the same run after run; recordings come as the device would see them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("soundfile")
pytest.importorskip("scipy")

from edge.features.logmel import LogMelSettings, LogMelStream, log_mel, normalise
from tests.training.conftest import SHARED_DATA
from tests.training.speech_corpus import hiss, tone, write_sound
from tests.training.test_speech_augment import STILL
from training.datasets.speech_batches import Batch, SpeechBatches, clip_windows, context_frames, cut_windows
from training.datasets.speech_corpora import Clip, read_clips
from training.datasets.speech_spectra import Spectrum, read_sound, read_spectra
from training.recipe_parts import SpeechAugmentation

SETTINGS = LogMelSettings()
WINDOWS = 3
REACH = context_frames(WINDOWS, SETTINGS)

FloatArray = npt.NDArray[np.float32]


def spectrum(seconds: float, seed: int = 0, hertz: float = 500) -> Spectrum:
    decibels = log_mel(tone(hertz, np.random.default_rng(seed), seconds=seconds), SETTINGS)
    clip = Clip(Path(f"{seed}.wav"), "ravdess", f"ravdess {seed}", "happy")
    return Spectrum(clip, decibels.astype(np.float16), 0, len(decibels))


def batches(
    seconds: float = 1.2, *, count: int = 10, size: int = 4, seed: int = 1, noises: int = 0, **changes: Any
) -> SpeechBatches:
    return SpeechBatches(
        [spectrum(seconds, number, hertz=300 * 1.3**number) for number in range(count)],
        np.eye(count, dtype=np.float32),
        [spectrum(1.0, 90 + number) for number in range(noises)],
        SpeechAugmentation(**changes),
        SETTINGS,
        windows=WINDOWS,
        batch_size=size,
        seed=seed,
    )


def test_a_batch_depends_on_epoch_index_and_seed_alone() -> None:
    first, second = batches(noises=2, mixup=0.5), batches(noises=2, mixup=0.5)
    assert len(first) == 2, "what does not fill a batch waits for another epoch"
    seen: dict[tuple[int, int], Batch] = {}
    for epoch in (0, 1, 2):
        first.epoch = epoch
        seen |= {(epoch, index): first[index] for index in range(len(first))}
    for epoch, index in [(2, 1), (0, 1), (1, 0), (0, 0)]:
        second.epoch = epoch
        for one, other in zip(seen[epoch, index], second[index], strict=True):
            assert np.array_equal(one, other)
    takes = [x for x, _ in seen.values()] + [batches(noises=2, mixup=0.5, seed=2)[0][0]]
    for number, one in enumerate(takes):
        assert not any(np.array_equal(one, other) for other in takes[:number])


def test_shapes_and_types() -> None:
    x, y = batches(noises=1, mixup=0.3)[0]
    assert x.shape == (4, WINDOWS, SETTINGS.frames, SETTINGS.bands)
    assert y.shape == (4, 10)
    assert x.dtype == y.dtype == np.float32
    assert np.isfinite(x).all()


def test_each_recording_at_most_once_an_epoch_with_its_own_target() -> None:
    quiet = batches(**STILL | {"gate": 0.0})
    orders = []
    for epoch in range(3):
        quiet.epoch = epoch
        answers = np.concatenate([quiet[index][1] for index in range(len(quiet))]).argmax(axis=1)
        assert len(set(answers)) == 8
        orders.append(tuple(answers))
        # The tone that is heard is that of the recording.
        for index in range(len(quiet)):
            x, y = quiet[index]
            for windows, target in zip(x, y, strict=True):
                expected = spectrum(1.2, int(target.argmax()), hertz=300 * 1.3 ** int(target.argmax()))
                loudest = windows.mean(axis=1).max(axis=0).argmax()
                assert abs(loudest - expected.spoken.max(axis=0).argmax()) <= 1
    assert len(set(orders)) == 3


def test_windows_overlap_as_the_stream_s_do() -> None:
    """Without masks, what two windows share differs by the windows' own mean and deviation alone."""
    x, _ = batches(seconds=4.0, **STILL | {"gate": 0.0})[0]
    for windows in x:
        assert windows.mean(axis=(1, 2)) == pytest.approx(np.zeros(WINDOWS), abs=1e-4)
        shared, again = windows[0, SETTINGS.step :].ravel(), windows[1, : -SETTINGS.step].ravel()
        assert np.corrcoef(shared, again)[0, 1] > 0.99999


def test_the_gate_blanks_windows_without_voice() -> None:
    always, never = (batches(seconds=0.4, count=40, size=40, **STILL | {"gate": part}) for part in (1.0, 0.0))
    blank: npt.NDArray[np.bool_] = ~np.any(always[0][0], axis=(2, 3))
    assert np.any(blank, axis=1).mean() > 0.9, "0.4 s of voice do not reach into all windows"
    assert np.any(~blank, axis=1).mean() > 0.9
    assert never[0][0].any(axis=(2, 3)).all()


def test_mixup_mixes_inputs_and_targets_alike() -> None:
    plain, mixed = batches(**STILL, gate=0.0), batches(**STILL, gate=0.0, mixup=1.0, mixup_alpha=5.0)
    x, y = plain[0]
    both, targets = mixed[0]
    assert targets.sum(axis=1) == pytest.approx(np.ones(4))
    assert ((targets > 0).sum(axis=1) <= 2).all()
    assert ((targets > 0).sum(axis=1) == 2).any()
    rows = y.argmax(axis=1)
    for row in range(4):
        expected = sum(targets[row, rows[other]] * x[other] for other in range(4))
        assert both[row] == pytest.approx(expected, abs=1e-4)


# Recordings as the device sees them


def streamed(samples: FloatArray, windows: int) -> FloatArray:
    """The last windows of sound that came in piece by piece, as the microphone's loop has them."""
    stream = LogMelStream(SETTINGS)
    steps: list[FloatArray] = []
    for begin in range(0, len(samples), 700):
        steps.extend(stream.feed(samples[begin : begin + 700]))
    frames = np.concatenate(steps)
    per_window = SETTINGS.frames // SETTINGS.step
    ends = range(len(steps) - windows + 1, len(steps) + 1)
    cut = [frames[(end - per_window) * SETTINGS.step : end * SETTINGS.step] for end in ends]
    return np.stack([normalise(each, SETTINGS) for each in cut])


def check_against_the_stream(clip: Clip, windows: int) -> None:
    ((found,), _) = read_spectra([clip], SETTINGS, processes=1, progress=False)
    reach = context_frames(windows, SETTINGS)
    assert found.end - found.begin > reach, "long enough"
    first = found.begin + (found.end - found.begin - reach) // 2
    samples = read_sound(clip, SETTINGS.rate)
    heard = samples[first * SETTINGS.hop :][: (reach - 1) * SETTINGS.hop + SETTINGS.fft]
    # Spectrograms are kept as float16: half a step of 1/16 dB, over at least 5 dB.
    assert clip_windows(found, windows, SETTINGS) == pytest.approx(streamed(heard, windows), abs=0.02)


def test_windows_of_a_recording_are_those_of_the_stream(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([tone(hertz, rng, seconds=0.7) for hertz in (300, 900, 500, 2000)])
    write_sound(tmp_path / "03-01-05-01-01-01-01.flac", sound)
    (clip,) = read_clips(tmp_path)
    check_against_the_stream(clip, 3)


@pytest.mark.data
@pytest.mark.parametrize("name", ["ravdess/03-01-05-01-01-01-03.ogg", "crema_d/1001_IEO_ANG_HI.ogg"])
def test_windows_of_a_real_recording_are_those_of_the_stream(name: str) -> None:
    path = Path(os.environ.get("AFFECT_EDGE_DATA", SHARED_DATA)) / "speech" / name
    if not path.is_file():
        pytest.skip(f"no {path}; AFFECT_EDGE_DATA names the folder above")
    check_against_the_stream(Clip(path, "", "", ""), 2)


def test_of_a_long_recording_the_middle() -> None:
    found = spectrum(8.0)
    begin = (len(found.spoken) - REACH) // 2
    expected = cut_windows(found.spoken[begin : begin + REACH], SETTINGS)
    assert np.array_equal(clip_windows(found, WINDOWS, SETTINGS), expected)


def test_a_short_recording_ends_with_its_voice() -> None:
    found = spectrum(1.3)
    voice = found.spoken
    assert SETTINGS.frames < len(voice) < SETTINGS.frames + SETTINGS.step
    windows = clip_windows(found, 4, SETTINGS)
    assert not windows[:2].any(), "windows that the gate keeps away"
    assert np.array_equal(windows[3], normalise(voice[-SETTINGS.frames :], SETTINGS))
    # The window before begins with the recording's own background.
    before = len(voice) - SETTINGS.step
    assert np.ptp(windows[2][: SETTINGS.frames - before], axis=0).max() == 0
    shared = windows[2][-before:].ravel(), normalise(voice[:before], SETTINGS).ravel()
    assert np.corrcoef(*shared)[0, 1] > 0.99999


@pytest.mark.parametrize("frames", [4, 63, 64, 65, 96, 97, 127, 128, 129])
def test_each_length_gives_as_many_windows_as_the_voice_needs(frames: int) -> None:
    whole = spectrum(4.0)
    cut = Spectrum(whole.clip, whole.decibels, 20, 20 + frames)
    windows = clip_windows(cut, WINDOWS, SETTINGS)
    assert windows.shape == (WINDOWS, SETTINGS.frames, SETTINGS.bands)
    used = 1 if frames <= 64 else 2 if frames <= 96 else 3
    assert windows.any(axis=(1, 2)).tolist() == [False] * (WINDOWS - used) + [True] * used


def test_cut_windows_normalises_each() -> None:
    decibels = log_mel(hiss(np.random.default_rng(0), seconds=3), SETTINGS)
    windows = cut_windows(decibels, SETTINGS)
    assert len(windows) == (len(decibels) - SETTINGS.frames) // SETTINGS.step + 1
    for number, window in enumerate(windows):
        begin = number * SETTINGS.step
        assert np.array_equal(window, normalise(decibels[begin : begin + SETTINGS.frames], SETTINGS))
