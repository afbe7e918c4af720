"""Sound that shows a failed microphone, and sound that only looks so."""

from __future__ import annotations

import numpy as np
import pytest

from edge.observation import Samples
from edge.sources.microphone_watch import MicrophoneWatch

RATE = 16000
BLOCK = 800


def room(blocks: int, level: float = 0.01) -> Samples:
    """A room's noise as a 16-bit microphone gives it."""
    values = np.random.default_rng(2).normal(0, level, blocks * BLOCK)
    return (np.round(values * 2**15) / 2**15).astype(np.float32)


def reports(sound: Samples) -> list[tuple[int, str]]:
    """The seconds at which something was reported, and what."""
    watch = MicrophoneWatch(RATE)
    looks = ((start // RATE, watch.look(sound[start : start + BLOCK])) for start in range(0, len(sound), BLOCK))
    return [(second, trouble) for second, trouble in looks if trouble]


@pytest.mark.parametrize("level", [0.1, 1e-3, 1e-4, 2e-5, 8e-6])
def test_rooms_are_no_trouble(level: float) -> None:
    # The quietest moves by one step of 16 bits now and then.
    assert reports(room(2000, level)) == []


@pytest.mark.parametrize("buffer", [800, 1600, 8000, 1024, 7777, 22050])
def test_buffer_that_comes_again_and_again_is_seen_whatever_its_length(buffer: int) -> None:
    good = room(100)
    sound = np.concatenate([good, np.tile(good[-buffer:], 200_000 // buffer)])
    first = reports(sound)[0]
    assert first[1] == "stuck"
    assert 5 + 2 <= first[0] <= 5 + 6


def test_a_word_said_twice_is_not_stuck() -> None:
    sound = room(400)
    sound[64000:80000] = sound[32000:48000]
    assert reports(sound) == []


@pytest.mark.parametrize("value", [0.0, -1 / 2**15, 0.5])
def test_silence_is_reported_at_growing_intervals(value: float) -> None:
    still = np.full(4000 * BLOCK, value, np.float32)
    assert reports(np.concatenate([room(20), still])) == [(30, "silent"), (90, "silent")]  # after a second of sound
    # Sound begins it anew.
    again = np.concatenate([room(20), still[: 700 * BLOCK], room(20), still[: 700 * BLOCK]])
    assert [what for _, what in reports(again)] == ["silent", "silent"]


def test_silence_lasts_over_a_restart() -> None:
    watch = MicrophoneWatch(RATE)
    silence = np.zeros(BLOCK, np.float32)
    assert [watch.look(silence) for _ in range(600)][-1] == "silent"
    assert watch.is_silent
    watch.restart()
    watch.look(silence)
    assert watch.is_silent
    watch.look(room(1))
    assert not watch.is_silent
