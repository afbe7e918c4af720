from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edge.service.gpio as module
from tests.edge.service.gpio_bed import FakeGpiod


@pytest.fixture
def gpiod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGpiod:
    """A board with two chips in a /dev of its own, in place of libgpiod."""
    folder = tmp_path / "dev"
    folder.mkdir()
    bed = FakeGpiod(
        {
            str(folder / "gpiochip0"): ["ID_SDA", "GPIO17", "GPIO27", "BOTH"],
            str(folder / "gpiochip4"): ["PWR_LED", "BOTH"],
            str(folder / "gpiochip10"): [],
        }
    )
    monkeypatch.setattr(module, "_DEV", folder)
    for name in ("gpiochip0", "gpiochip4", "gpiochip9-is-none"):
        (folder / name).touch()
    (folder / "gpiochip10").symlink_to("gpiochip4")
    monkeypatch.setitem(sys.modules, "gpiod", bed)
    return bed
