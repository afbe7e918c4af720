"""What the board's own sensors say about the energy that it takes: a Jetson's INA chips, a PC's RAPL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.bench.sensors import why_unreadable

_ROOT = Path("/")

RAPL = "sys/class/powercap"
HWMON = "sys/class/hwmon"
INA3221X = "sys/bus/i2c/drivers/ina3221x"
"""NVIDIA's own driver, up to JetPack 4."""


class Meter(Protocol):
    """Something that tells how much energy the board has taken."""

    name: str
    rails: list[str]

    def joules(self, now: float) -> float:
        """Taken since the first call; to be called often. `now` is in seconds of a steady clock.

        Raises
        ------
        OSError, ValueError
            It says nothing at the moment.
        """


class Integral:
    """Energy from readings of power: the mean of two readings holds between them."""

    def __init__(self) -> None:
        self._joules = 0.0
        self._last: tuple[float, float] | None = None

    def add(self, now: float, watts: float) -> float:
        """Joules since the first reading."""
        if self._last is not None:
            before, earlier = self._last
            self._joules += (now - before) * (watts + earlier) / 2
        self._last = now, watts
        return self._joules


class Rapl:
    """The counters of a PC's processor packages (Running Average Power Limit), as the kernel's powercap shows them."""

    def __init__(self, domains: Sequence[Path]) -> None:
        self.name = "RAPL: the processor packages alone, without memory, disk and supply"
        self.rails = [_text(domain / "name") for domain in domains]
        self._files = [domain / "energy_uj" for domain in domains]
        # The counters begin anew there.
        self._ranges = [int(_text(domain / "max_energy_range_uj")) for domain in domains]
        self._last = [int(_text(file)) for file in self._files]
        self._microjoules = 0

    def joules(self, now: float) -> float:
        counts = [int(_text(file)) for file in self._files]
        for count, last, whole in zip(counts, self._last, self._ranges, strict=True):
            self._microjoules += count - last if count >= last else count + whole - last
        self._last = counts
        return self._microjoules / 1e6


@dataclass(frozen=True)
class Rail:
    """One rail of an INA chip: files whose numbers, multiplied, are its power."""

    name: str
    files: tuple[Path, ...]
    scale: float

    def watts(self) -> float:
        """Now."""
        product = self.scale
        for file in self.files:
            product *= int(_text(file))
        return product


class Ina:
    """The power monitors on a Jetson's board."""

    def __init__(self, rails: Sequence[Rail]) -> None:
        # Where one measures what the whole board takes, the others are parts of it.
        whole = [rail for rail in rails if rail.name.upper().endswith("_IN")]
        self._counted = whole[:1] or list(rails)
        counted = self._counted[0].name if whole else "the sum of all rails"
        self.name = f"INA sensors of the board: {counted}"
        self.rails = [rail.name for rail in rails]
        self._integral = Integral()

    def joules(self, now: float) -> float:
        return self._integral.add(now, sum(rail.watts() for rail in self._counted))


def board_meter(root: Path = _ROOT) -> tuple[Meter | None, list[tuple[str, str]]]:
    """What the board itself measures with.

    Returns
    -------
    meter
        None where there is none that can be read.
    reasons
        (what, reason) of those that there are not.
    """
    reasons: list[tuple[str, str]] = []
    try:
        if rails := _hwmon_rails(root) or _ina3221x_rails(root):
            meter = Ina(rails)
            meter.joules(0.0)
            return Ina(rails), []
        reasons.append(("energy: INA sensors", f"{root / HWMON} shows none"))
    except (OSError, ValueError) as error:
        reasons.append(("energy: INA sensors", _why(error)))
    domains = sorted(path for path in (root / RAPL).glob("intel-rapl:*") if path.name.count(":") == 1)
    if not domains:
        reasons.append(("energy: RAPL", f"{root / RAPL} shows none"))
        return None, reasons
    try:
        return Rapl(domains), []
    except (OSError, ValueError) as error:
        reasons.append(("energy: RAPL", _why(error)))
        return None, reasons


def _hwmon_rails(root: Path) -> list[Rail]:
    """Of the kernel's drivers ina3221, ina2xx and ina238."""
    found = []
    for chip in sorted((root / HWMON).glob("hwmon*")):
        if not _text(chip / "name").startswith("ina"):
            continue
        for number in range(1, 4):
            name = _label(chip / f"in{number}_label") or f"{chip.name} {number}"
            power, volts, amperes = (chip / f"{kind}{number}_input" for kind in ("power", "in", "curr"))
            if name.upper() == "NC":  # not connected
                continue
            if power.exists():
                found.append(Rail(name, (power,), 1e-6))  # microwatts
            elif amperes.exists() and volts.exists():
                found.append(Rail(name, (volts, amperes), 1e-6))  # millivolts, milliamperes
    return found


def _ina3221x_rails(root: Path) -> list[Rail]:
    found = []
    for device in sorted((root / INA3221X).glob("*/iio:device*")):
        for number in range(3):
            power = device / f"in_power{number}_input"
            if power.exists():
                found.append(Rail(_text(device / f"rail_name_{number}"), (power,), 1e-3))  # milliwatts
    return found


def _label(file: Path) -> str:
    try:
        return _text(file)
    except FileNotFoundError:
        return ""


def _text(file: Path) -> str:
    return file.read_text(errors="replace").strip()


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename:
        return why_unreadable(Path(error.filename))
    return f"is no reading: {error}"
