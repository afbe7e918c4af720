"""What the journal writes to a card, as the benchmark counts it in a quick run, and what it makes of it."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import pytest

from benchmarks import card_wear
from tests.benchmarks.conftest import Benchmark

# It waits for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(300)


def test_a_quick_run(benchmark: Benchmark) -> None:
    done = benchmark("card_wear", "--quick", "--json", "--hours-a-day", "6")
    if "mount -o loop" in done.stderr or "mkfs.ext4" in done.stderr:
        pytest.skip(f"no file system of its own can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # Two minutes: a record a second, less what a busy machine leaves out, and some for changes of the label.
    assert 80 <= found["records"] <= 180
    assert found["protocol"]["batch_seconds"] == 5.0
    hourly = found["hourly"]
    assert ("device_bytes" in hourly) == (os.geteuid() == 0)
    # 24 commits of at least one page each, told for an hour.
    assert hourly.get("device_bytes", hourly["process_bytes"]) >= 24 * 4096 * 30
    assert found["life"]["day"] == pytest.approx(found["life"]["always"] * 4, rel=0.02)


def test_the_life_of_a_card() -> None:
    assumed = argparse.Namespace(card_gb=32.0, cycles=500.0, amplification=10.0)
    ten_mb = 10_000_000
    # 16 TB at 100 MB an hour: 160,000 hours.
    assert card_wear.years(ten_mb, assumed, hours=24) == pytest.approx(160_000 / 24 / 365.25, abs=0.1)
    assert card_wear.years(ten_mb, assumed, hours=3) == pytest.approx(160_000 / 3 / 365.25, abs=0.1)


def test_clocks_that_run_fast_are_put_back() -> None:
    clocks = card_wear.FastClocks(1000.0)
    before = time.monotonic(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    with clocks.running():
        time.sleep(0.02)
        assert time.monotonic() - before[0] >= 20
        assert time.time() - before[1] >= 20
        assert time.clock_gettime(time.CLOCK_BOOTTIME) - before[2] >= 20
    assert time.monotonic() - before[0] < 20


@pytest.mark.parametrize("words", [["--minutes", "0"], ["--speed", "-1"], ["--cycles", "inf"], ["--card-gb", "x"]])
def test_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        card_wear.main(words)
    assert words[0] in capsys.readouterr().err


def test_a_tool_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(card_wear.WearError, match=r"'mkfs\.ext4' is not there: install e2fsprogs"):
        card_wear._call("mkfs.ext4")
