"""Microphones, through PyAudio: watched, and opened anew when they fail."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge.errors import AffectEdgeError, SourceError
from edge.observation import AudioBlock, Samples
from edge.sources.microphone_link import Chunk, Link, LinkError, list_devices
from edge.sources.microphone_watch import MicrophoneWatch
from edge.sources.sound import BLOCK_SECONDS, AudioSource, SoundFigures
from edge.sources.sound_clock import SampleClock
from edge.sources.sound_samples import decode, full_scale, to_mono

STALL_SECONDS = 3.0
"""Seconds without a block after which a microphone counts as dead; PulseAudio takes up to two to begin."""

PAUSES = (0.0, 1.0, 2.0, 4.0, 10.0)
"""Seconds before each attempt to open a microphone anew; the last is repeated."""

_HEALTHY_SECONDS = 30.0
"""Seconds of sound after which the pauses begin anew."""

_TELL_SECONDS = 600.0
"""Seconds between two lines of the log about the same kind of incident: a loose plug must not fill it."""

_OTHER_RATES = (48000, 44100, 16000, 32000, 8000, 96000)
"""Tried where a device takes neither the rate that it is asked for nor what it calls its own."""

_LIMIT = full_scale(16)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MicrophoneInfo:
    """A device that can record."""

    number: int
    """PortAudio's; it changes when others are plugged in or out."""
    name: str
    channels: int
    """That it has at most."""
    rate: int
    """Hertz that it calls its own."""
    default: bool
    """Whether it is the one that the system records from by default."""

    @property
    def model(self) -> str:
        """The name without the card's number, which changes when it is plugged in again."""
        return re.sub(r" \(hw:\d+,\d+\)$", "", self.name)


def list_microphones(closed: threading.Event | None = None) -> list[MicrophoneInfo]:
    """Every device that PortAudio can record from, in the order of their numbers.

    Parameters
    ----------
    closed
        Gives up, with a `SourceError`, when it is set.

    Raises
    ------
    MissingDependencyError
        When PyAudio is not installed.
    SourceError
        When the sound system does not answer.
    """
    return [MicrophoneInfo(**device) for device in list_devices(closed)]


class MicrophoneSource(AudioSource):
    """A microphone, at its own rate, mixed to one channel.

    It never ends: when it stops delivering, repeats itself, stays silent or is unplugged, that is counted in `figures`,
    logged once, and the device is closed and opened anew, with growing pauses, until it delivers again. The time that
    it was away shows as a gap in `AudioBlock.position`. In memory wait ten seconds of sound at most.

    Parameters
    ----------
    spec
        'auto' (the default microphone, else the first that delivers), a number of `list_microphones`, or part of a
        name.
    rate
        Hertz to ask for; None, and a device that refuses it, take the device's own.

    Raises
    ------
    MissingDependencyError
        When PyAudio is not installed.
    SourceError
        When there is no such microphone, or it delivers nothing.
    """

    live = True

    def __init__(self, spec: str = "auto", *, rate: int | None = None) -> None:
        self.figures = SoundFigures()
        self._spec = spec
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self._link: Link | None = None
        self._waiting: Chunk | None = None
        self._device: MicrophoneInfo | None = None
        self._channels = 1
        self._attempts = 0
        self._told: dict[str, float] = {}
        self._position = self._expected = 0
        self._fresh = False
        self._opened_at = self._failed_at = 0.0
        own_first = () if rate is None else (rate,)
        self._rates: tuple[int, ...] = (*own_first, 0, *_OTHER_RATES)
        self.rate, device, first = self._open(choose(list_microphones(), spec))
        self.name = device.model
        # From here on it has one rate.
        self._rates = (self.rate,)
        self._watch = MicrophoneWatch(self.rate)
        self._clock = SampleClock(self.rate)
        # Blocks that had to wait for the first read are lost like any other.
        self._expected = 0
        self._clock.set(first.position, first.arrival - len(first.data) / (2 * self._channels * self.rate))

    def read(self) -> AudioBlock | None:
        with self._reading:
            try:
                while not self._closed.is_set():
                    chunk = self._next()
                    if chunk is not None:
                        return self._block(chunk)
                return None
            finally:
                if self._closed.is_set():
                    self._let_go(politely=True)

    def close(self) -> None:
        self._closed.set()
        # Where a read waits, in another thread or below a signal's handler, it lets go itself when it ends.
        if self._reading.acquire(blocking=False):
            try:
                self._let_go(politely=True)
            finally:
                self._reading.release()

    def _next(self) -> Chunk | None:
        """The next block; None after an incident or an attempt to mend it, and when closed."""
        if self._link is None:
            self._reopen()
            return None
        chunk, self._waiting = self._waiting, None
        if chunk is not None:
            return chunk
        try:
            return self._link.next(STALL_SECONDS)
        except LinkError as error:
            self.figures.stalled += 1
            self._fail("stalled", f"stopped delivering: {error}")
            return None

    def _block(self, chunk: Chunk) -> AudioBlock:
        samples = to_mono(decode(chunk.data, "s16le", self._channels), _LIMIT, self.figures)
        # What waited for a slow reader too long is known by its number. What the sound system dropped, and what came
        # while the device was away, nobody counted: the clock tells.
        skipped = chunk.position - self._expected
        self._expected = chunk.position + len(samples)
        self.figures.overflows += chunk.overflow
        if self._fresh or chunk.overflow:
            heard = chunk.arrival - len(samples) / self.rate
            position = max(self._position + skipped + 1, self._clock.position(heard))
            # By the present count where the clock would jump back: a device that delivers what it had in store.
            self._clock.set(position, max(heard, self._clock.time(position)))
            self._fresh = False
        else:
            position = self._position + skipped
        self.figures.lost_samples += position - self._position
        self._position = position + len(samples)
        self._clock.observe(self._position, chunk.arrival)
        self.figures.blocks += 1
        self._inspect(samples)
        moment = self._clock.time(position)
        return AudioBlock(
            samples=samples,
            rate=self.rate,
            position=position,
            wall_time=time.time() + moment - time.monotonic(),
            monotonic_time=moment,
            source=self.name,
        )

    def _inspect(self, samples: Samples) -> None:
        was_silent = self._watch.is_silent
        trouble = self._watch.look(samples)
        if trouble == "stuck":
            self.figures.stuck += 1
            self._fail("stuck", "repeats itself")
        elif trouble == "silent":
            # Each further report of the same silence is only another attempt to end it.
            if not was_silent:
                self.figures.silent += 1
                self._tell("silent", "is silent, not even noise comes: is it muted?")
            self._let_go()
        elif was_silent and not self._watch.is_silent:
            self._tell("sounding", "is no longer silent")

    def _fail(self, kind: str, what: str) -> None:
        self._failed_at = time.monotonic()
        self._tell(kind, f"{what}; it is opened anew until it delivers")
        self._let_go()

    def _tell(self, kind: str, what: str) -> None:
        """One line of the log, unless the like was told lately."""
        now = time.monotonic()
        lately = kind in self._told and now - self._told[kind] < _TELL_SECONDS
        if not lately:
            self._told[kind] = now
        _log.log(logging.INFO if lately else logging.WARNING, "the microphone '%s' %s", self.name, what)

    def _let_go(self, *, politely: bool = False) -> None:
        link, self._link = self._link, None
        self._waiting = None
        if link is not None:
            link.end(politely=politely)

    def _reopen(self) -> None:
        """One attempt, after its pause."""
        if self._opened_at and time.monotonic() - self._opened_at > _HEALTHY_SECONDS:
            self._attempts = 0
        self._opened_at = 0.0
        pause = PAUSES[min(self._attempts, len(PAUSES) - 1)]
        self._attempts += 1
        if self._closed.wait(pause):
            return
        try:
            _, device, _ = self._open(self._successors(list_microphones(self._closed)))
        except AffectEdgeError as error:
            if self._closed.is_set():
                return
            if not self._failed_at:  # it was let go of only because it was silent
                self.figures.stalled += 1
                self._fail("stalled", f"does not open again: {error}")
            _log.debug("the microphone '%s' is not back: %s", self.name, error)
            return
        self.figures.reopened += 1
        self._fresh = True
        self._watch.restart()
        if self._failed_at:
            away = time.monotonic() - self._failed_at
            self._failed_at = 0.0
            self._tell("back", f"delivers again after {away:.1f} s ({device.name})")

    def _successors(self, devices: Sequence[MicrophoneInfo]) -> list[MicrophoneInfo]:
        """What the microphone may be now: the same model, which need not have the same number; else what is meant."""
        last = self._device
        assert last is not None
        same = [device for device in devices if device.model == last.model]
        same.sort(key=lambda device: (device.name != last.name, device.number != last.number))
        # Another device with that number is not what the user chose.
        others = [] if self._spec.isdecimal() else _meant(devices, self._spec)
        return same + [device for device in others if device not in same]

    def _open(self, devices: Sequence[MicrophoneInfo]) -> tuple[int, MicrophoneInfo, Chunk]:
        """Open the first that delivers; its rate, itself and its first block. Raises `SourceError`."""
        problems = []
        for device in devices:
            rates = dict.fromkeys(rate or device.rate for rate in self._rates)
            arguments = [str(device.number), device.name, ",".join(map(str, rates)), str(round(1000 * BLOCK_SECONDS))]
            try:
                link = Link(["capture", *arguments], self._closed)
                try:
                    first = link.next(STALL_SECONDS)
                    if first is None:
                        raise LinkError("closed while it was opened")
                except BaseException:
                    link.end()
                    raise
            except LinkError as error:
                problems.append(f"'{device.name}': {error}")
                continue
            opened = link.answer["opened"]
            self._link, self._waiting, self._device = link, first, device
            self._channels = opened["channels"]
            self._expected = first.position
            self._opened_at = time.monotonic()
            return opened["rate"], device, first
        if not problems:
            raise SourceError("it is not among the devices")
        raise SourceError(f"no sound comes from the microphone {'; '.join(problems)}")


def choose(devices: Sequence[MicrophoneInfo], spec: str) -> list[MicrophoneInfo]:
    """Those of the devices that `spec` means (see `MicrophoneSource`), the best first.

    Raises
    ------
    SourceError
        When there is none.
    """
    chosen = _meant(devices, spec)
    if not devices:
        raise SourceError("no microphone was found: is one plugged in, and is the user in the group audio?")
    if not chosen:
        found = ", ".join(f"{device.number} ({device.name})" for device in devices)
        raise SourceError(f"there is no microphone '{spec}'; this machine has {found}")
    return chosen


def _meant(devices: Sequence[MicrophoneInfo], spec: str) -> list[MicrophoneInfo]:
    if spec == "auto":
        return sorted(devices, key=lambda device: not device.default)
    if spec.isdecimal():
        return [device for device in devices if device.number == int(spec)]
    part = spec.casefold()
    exactly = [device for device in devices if part == device.name.casefold()]
    return exactly or [device for device in devices if part in device.name.casefold()]
