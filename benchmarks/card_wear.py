"""How much the journal writes to an SD card in an hour, and how long a card lives with it.

A face is seen all the time, as `affect-edge run` or the service would record it at default settings, into a journal
that is full, so that the oldest records make room. The journal lies on an ext4 file system of its own on a loop device,
mounted as Raspberry Pi OS does (noatime), and what that block device was asked to write is counted: records, SQLite's
-wal file and its checkpoints, and what ext4 writes for its own sake. That needs root and Linux; without, only what the
process wrote is counted (/proc/self/io), which leaves ext4's share out.

The hour passes faster than a real one: the journal's clocks run `--speed` times as fast, and so do ext4's commits
(every 5 s) and the kernel's writing back of what is older than 30 s, which are what turns small writes into large ones.

What a card can take is not in any data sheet of ordinary cards, so it is put together from assumptions that can be
changed: its size, how often each of its cells can be written, and how many bytes the card writes for each that it is
asked to, because it can only erase large blocks. In an hour in which nothing is seen or heard nothing is written; so a
day is told from `--hours-a-day`.

examples:
  sudo python -m benchmarks.card_wear                         12 minutes
  sudo python -m benchmarks.card_wear --speed 1 --minutes 60  as it is, an hour long
  python -m benchmarks.card_wear --card-gb 16 --cycles 500 --amplification 20
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from benchmarks import measuring
from edge.config_sections import JournalConfig
from edge.errors import AffectEdgeError
from edge.journal import Journal
from edge.observation import Box, Observation
from edge.pipeline.sinks import journal_sink

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FRAME_SECONDS = 0.2
"""Between two looks at the face."""

CHANGE_SECONDS = 10.0
"""On average between two changes of its label, each of which is a record of its own."""

COMMIT_SECONDS = 5
"""Between two commits of ext4, its default."""

EXPIRE_SECONDS = 30.0
"""After which the kernel writes back what was written into its memory, its default."""

_IMAGE_MB = 512
_LEAST_ROW = 60
"""Bytes: fewer than a record takes."""

_SECTOR = 512
_DAYS_A_YEAR = 365.25


class WearError(AffectEdgeError):
    """What it needs is not there."""


class FastClocks:
    """The system's clocks, so many times as fast from now on."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._real = time.monotonic, time.time, time.clock_gettime
        self._began = time.monotonic()

    def passed(self) -> float:
        """Seconds since then, of these clocks."""
        return (self._real[0]() - self._began) * self._speed

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """What asks `time` for the time within is told this one."""
        monotonic, wall, steady = self._real[0](), self._real[1](), self._real[2](time.CLOCK_BOOTTIME)
        with (
            mock.patch("time.monotonic", lambda: monotonic + self.passed()),
            mock.patch("time.time", lambda: wall + self.passed()),
            mock.patch("time.clock_gettime", lambda _: steady + self.passed()),
        ):
            yield


class Disk:
    """Where the journal lies, and what was written there so far."""

    def __init__(self, folder: Path, device: Path | None) -> None:
        self.folder = folder
        self.device = device

    def write_back(self) -> None:
        """What the kernel does with what is old enough."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
                raise OSError(ctypes.get_errno(), "syncfs failed")
        finally:
            os.close(descriptor)

    def written(self) -> dict[str, int]:
        """Bytes and requests that reached the block device, where there is one, and bytes that this process wrote."""
        counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="utf-8").splitlines())
        found = {"process_bytes": int(counters["write_bytes"])}
        if self.device is not None:
            words = self.device.joinpath("stat").read_text(encoding="utf-8").split()
            found |= {"device_requests": int(words[4]), "device_bytes": int(words[6]) * _SECTOR}
        return found


@contextlib.contextmanager
def disk(speed: float) -> Iterator[Disk]:
    """An ext4 file system of its own on a loop device for root, else a temporary folder."""
    with tempfile.TemporaryDirectory(dir=Path.cwd() if os.geteuid() else None) as name:
        folder = Path(name)
        if os.geteuid():
            yield Disk(folder, None)
            return
        # The image lies in memory where that can be: what the loop device is asked to write is counted, no more.
        memory = Path("/dev/shm")
        with tempfile.NamedTemporaryFile(dir=memory if memory.is_dir() else None, suffix=".img") as image:
            image.truncate(_IMAGE_MB * 1_000_000)
            mount = folder / "card"
            mount.mkdir()
            _call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image.name)
            _call("mount", "-o", f"loop,noatime,commit={max(round(COMMIT_SECONDS / speed), 1)}", image.name, str(mount))
            try:
                source = _call("findmnt", "--noheadings", "--output", "SOURCE", str(mount)).strip()
                yield Disk(mount, Path("/sys/block", Path(source).name))
            finally:
                _call("umount", str(mount))


def _call(*command: str) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise WearError(
            f"'{command[0]}' is not there: install e2fsprogs and util-linux, or run as another user"
        ) from None
    except subprocess.CalledProcessError as error:
        raise WearError(f"{' '.join(command)}: {error.stderr.strip()}") from None


def face(number: int, label: str, *, seconds: float, changed: bool) -> Observation:
    """One look at a face that moves a little."""
    probabilities = {name: 0.7 if name == label else 0.05 for name in LABELS}
    box = Box(200 + number % 7, 120 + number % 5, 140, 140)
    return Observation(
        *("face", "/dev/video0", time.time(), seconds, label, 0.7, probabilities), track=1, box=box, changed=changed
    )


def fill(path: Path, settings: JournalConfig) -> None:
    """A journal as full as it may be, as it is after some weeks."""
    with open_journal(path, settings) as journal:
        for number in range(int(settings.max_size_mb * 1e6 / _LEAST_ROW)):
            journal.add(face(number, LABELS[number % 7], seconds=time.monotonic(), changed=False))


def open_journal(path: Path, settings: JournalConfig) -> Journal:
    return Journal(
        path,
        batch_seconds=settings.batch_seconds,
        max_size_mb=settings.max_size_mb,
        max_age_days=settings.max_age_days,
    )


def watch(path: Path, settings: JournalConfig, place: Disk, *, seconds: float, speed: float, progress: bool) -> int:
    """Record a face for so long, by clocks that run fast; gives the number of records."""
    from tqdm import tqdm

    generator = random.Random(0)
    clocks = FastClocks(speed)
    sleep = time.sleep
    bar = tqdm(total=round(seconds), unit="s", disable=not progress)
    with bar, clocks.running(), open_journal(path, settings) as journal:
        sink = journal_sink(journal, interval=settings.interval)
        label, number, next_write = LABELS[0], 0, EXPIRE_SECONDS
        while (now := clocks.passed()) < seconds:
            changed = generator.random() < FRAME_SECONDS / CHANGE_SECONDS
            label = generator.choice([name for name in LABELS if name != label]) if changed else label
            sink(face(number, label, seconds=time.monotonic(), changed=changed))
            journal.flush_if_due()
            if now >= next_write:
                place.write_back()
                next_write += EXPIRE_SECONDS
            number += 1
            bar.update(round(now) - bar.n)
            sleep(max(number * FRAME_SECONDS - clocks.passed(), 0) / speed)
    if journal.dropped:
        raise WearError(f"{journal.dropped} records were lost: {journal.last_error}")
    return journal.written


def measure(arguments: argparse.Namespace) -> measuring.Results:
    """Fill a journal, record into it, and count what was written between."""
    settings = JournalConfig()
    seconds = (2.0 if arguments.quick else arguments.minutes) * 60
    speed = 60.0 if arguments.quick else arguments.speed
    with disk(speed) as place:
        path = place.folder / "journal.db"
        if not (arguments.new or arguments.quick):
            fill(path, settings)
        place.write_back()
        before, size = place.written(), path.stat().st_size if path.exists() else 0
        records = watch(
            path, settings, place, seconds=seconds, speed=speed, progress=measuring.show_progress(arguments)
        )
        place.write_back()  # the journal was closed: its last checkpoint counts
        hourly = {name: round((value - before[name]) * 3600 / seconds) for name, value in place.written().items()}
    counted = hourly.get("device_bytes", hourly["process_bytes"])
    return {
        "protocol": {
            "simulated_seconds": seconds,
            "speed": speed,
            "journal_bytes_before": size,
            "file_system": "ext4 on a loop device" if "device_bytes" in hourly else "this folder's, not counted",
            **{name: getattr(settings, name) for name in ("interval", "batch_seconds", "max_size_mb")},
            "frame_seconds": FRAME_SECONDS,
            "change_seconds": CHANGE_SECONDS,
        },
        "records": records,
        "hourly": hourly,
        "assumed": {name: getattr(arguments, name) for name in ("card_gb", "cycles", "amplification", "hours_a_day")},
        "life": {
            "always": years(counted, arguments, hours=24),
            "day": years(counted, arguments, hours=arguments.hours_a_day),
        },
    }


def years(hourly_bytes: int, assumed: argparse.Namespace, *, hours: float) -> float:
    """How long a card lives that is written to for so many hours a day."""
    can_take: float = assumed.card_gb * 1e9 * assumed.cycles
    lived: float = can_take / (max(hourly_bytes, 1) * assumed.amplification * hours * _DAYS_A_YEAR)
    return round(lived, 1)


def table(results: measuring.Results) -> str:
    """The figures for people."""
    protocol, hourly, assumed, life = (results[name] for name in ("protocol", "hourly", "assumed", "life"))
    lines = [
        f"a face for {protocol['simulated_seconds'] / 60:g} minutes ({protocol['speed']:g} times as fast), "
        f"{results['records']} records, a commit every {protocol['batch_seconds']:g} s; journal of "
        f"{protocol['journal_bytes_before'] / 1e6:.1f} MB before; {protocol['file_system']}",
        "",
        f"written by the process      {hourly['process_bytes'] / 1e6:8.2f} MB an hour",
    ]
    if "device_bytes" in hourly:
        lines += [
            f"written to the block device {hourly['device_bytes'] / 1e6:8.2f} MB an hour, "
            f"in {hourly['device_requests']} requests",
        ]
    return "\n".join(
        [
            *lines,
            "",
            f"a card of {assumed['card_gb']:g} GB whose cells take {assumed['cycles']:g} writes, which writes "
            f"{assumed['amplification']:g} bytes for one, lives",
            f"  {life['always']:>8} years with a face before it day and night",
            f"  {life['day']:>8} years with {assumed['hours_a_day']:g} hours a day in which something is seen or heard",
        ]
    )


def run(arguments: argparse.Namespace) -> int:
    measuring.report("card_wear", measure(arguments), table, as_json=arguments.json)
    return 0


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.card_wear", __doc__)
    for option, default, metavar, words in (
        ("--minutes", 60.0, "N", "of the clocks that run fast (default 60; --quick takes 2)"),
        ("--speed", 5.0, "N", "times as fast as real time; above 5 ext4's commits do not keep up (default 5)"),
        ("--card-gb", 32.0, "GB", "the card's size (default 32)"),
        ("--cycles", 500.0, "N", "how often each cell can be written (default 500)"),
        ("--amplification", 10.0, "N", "bytes that the card writes for each byte (default 10)"),
        ("--hours-a-day", 3.0, "N", "in which something is seen or heard (default 3)"),
    ):
        parser.add_argument(option, type=_above_zero, default=default, metavar=metavar, help=words)
    parser.add_argument("--new", action="store_true", help="begin with an empty journal instead of a full one")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
