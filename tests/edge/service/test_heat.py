from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from edge.config_service import HeatConfig
from edge.service.heat import READ_SECONDS, STEP_SECONDS, Heat, Pace


class Board:
    """A tree of sensors, and a clock, for a governor to live on."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.root = root
        self.now = 1000.0
        self.heat = Heat(HeatConfig.model_validate(settings), root=root, vcgencmd=str(root / "vcgencmd"))

    def zone(self, number: int, name: str, celsius: float | None) -> None:
        folder = self.root / f"sys/class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "type").write_text(f"{name}\n")
        (folder / "temp").write_text("" if celsius is None else f"{round(celsius * 1000)}\n")

    def bits(self, bits: int | None) -> None:
        """What the kernel of a Raspberry Pi 4 says."""
        file = self.root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        file.parent.mkdir(parents=True, exist_ok=True)
        if bits is None:
            file.unlink()
        else:
            file.write_text(f"{bits:x}\n")

    def firmware(self, answer: str, *, code: int = 0) -> None:
        """What `vcgencmd` of a Raspberry Pi 5 says; it counts its calls."""
        tool = self.root / "vcgencmd"
        tool.write_text(f"#!/bin/sh\necho x >> {self.root}/calls\necho '{answer}'\nexit {code}\n")
        tool.chmod(0o755)

    @property
    def calls(self) -> int:
        file = self.root / "calls"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def every(self, seconds: float) -> list[int]:
        """The paces of so many seconds, one a second."""
        paces = []
        for _ in range(round(seconds)):
            self.now += 1
            paces.append(self.heat.step(self.now).every)
        return paces


def steps(paces: list[int]) -> list[int]:
    return [pace for pace, _ in itertools.groupby(paces)]


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_goes_down_in_steps_while_it_is_hot_and_back_when_it_was_cool_for_long(board: Board) -> None:
    board.zone(0, "cpu-thermal", 60)
    assert steps(board.every(30)) == [1]
    board.zone(0, "cpu-thermal", 85)
    paces = [1, *board.every(60)]
    assert steps(paces) == [1, 2, 4, 8]
    assert paces.index(2) <= READ_SECONDS
    assert paces.count(2) >= STEP_SECONDS <= paces.count(4)
    assert board.heat.pace == Pace(8, "85 °C (all frames again below 74)")
    # Neither hot nor cool: it stays.
    board.zone(0, "cpu-thermal", 76)
    assert steps(board.every(600)) == [8]
    board.zone(0, "cpu-thermal", 70)
    paces = board.every(300)
    assert steps(paces) == [8, 4, 2, 1]
    assert all(paces.count(pace) >= 60 for pace in (8, 4, 2))
    assert board.heat.pace == Pace(1, None)


def test_one_step_back_is_taken_back_at_once(board: Board) -> None:
    board.zone(0, "cpu-thermal", 81)
    board.every(40)
    board.zone(0, "cpu-thermal", 73)
    assert steps(board.every(70)) == [8, 4]
    board.zone(0, "cpu-thermal", 80)
    assert steps([4, *board.every(20)]) == [4, 8]


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        (0x50005, "under-voltage, throttled"),
        (0x80008, "soft temperature limit"),
        (0x20002, "frequency capped"),
        (0x50000, None),  # it was once, and is over
        (0x0, None),
    ],
)
@pytest.mark.parametrize("kernel", [True, False])
def test_follows_the_throttling_of_a_raspberry_pi(board: Board, bits: int, reason: str | None, *, kernel: bool) -> None:
    if kernel:
        board.bits(bits)
    else:
        board.firmware(f"throttled=0x{bits:x}")
    board.zone(0, "cpu-thermal", 50)
    board.every(1)
    assert board.heat.pace.every == (1 if reason is None else 2)
    assert board.heat.pace.reason == (None if reason is None else f"{reason}, 50 °C (all frames again below 74)")
    if kernel:
        board.bits(0x50000)
    else:
        board.firmware("throttled=0x50000")
    assert board.every(120)[-1] == 1


def test_a_day_of_recorded_answers(board: Board) -> None:
    """A summer's noon at a Raspberry Pi 4 in a closed case: the limit is met, the bits come and go."""
    noon = [(0x0, 71.0), (0x0, 78.4), (0x0, 81.3), (0x80008, 82.8), (0xE0008, 84.7), (0xE0000, 79.8), (0xE0000, 75.1)]
    seen = []
    for bits, celsius in [*noon, *[(0xE0000, 72.5)] * 8]:
        board.bits(bits)
        board.zone(0, "cpu-thermal", celsius)
        seen += board.every(30)
    assert steps(seen) == [1, 2, 4, 8, 4, 2, 1]


def test_a_jetson_is_measured_by_what_computes(board: Board) -> None:
    for number, (name, celsius) in enumerate(
        [("AO-therm", 45.0), ("CPU-therm", 41.5), ("GPU-therm", 39.0), ("PLL-therm", 38.0), ("PMIC-Die", 100.0)]
    ):
        board.zone(number, name, celsius)
    assert steps(board.every(60)) == [1]
    assert board.heat.temperature == 41.5
    board.zone(2, "GPU-therm", 83)
    assert board.every(10)[-1] == 2


def test_zones_that_nobody_knows_count_all(board: Board) -> None:
    board.zone(0, "board", 50)
    board.zone(1, "center", 90)
    assert board.every(5)[-1] == 2


def test_sensors_that_say_nothing_slow_nothing_down(board: Board) -> None:
    assert steps(board.every(100)) == [1]
    assert board.heat.temperature is None
    board.zone(0, "cpu-thermal", None)
    board.bits(0)
    (board.root / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text("?\n")
    assert steps(board.every(700)) == [1]


def test_it_comes_back_when_its_sensors_fall_silent(board: Board) -> None:
    board.zone(0, "cpu-thermal", 90)
    assert board.every(40)[-1] == 8
    board.zone(0, "cpu-thermal", None)
    assert board.every(55)[-1] == 8
    assert board.heat.pace.reason == "was hot; its sensors say nothing now"
    assert board.every(200)[-1] == 1


def test_a_tool_that_cannot_answer_is_asked_seldom(board: Board) -> None:
    board.firmware("VCHI initialization failed", code=1)
    board.every(590)
    assert board.calls == 1
    board.firmware("throttled=0x1")
    assert board.every(30)[-1] > 1
    assert board.calls > 2


def test_nothing_is_read_where_it_is_switched_off_nor_more_often_than_needed(tmp_path: Path) -> None:
    board = Board(tmp_path, enabled=False)
    board.firmware("throttled=0x4")
    board.zone(0, "cpu-thermal", 99)
    assert steps(board.every(60)) == [1]
    assert board.calls == 0
    board = Board(tmp_path)
    for _ in range(1000):
        board.heat.step(board.now)
    assert board.calls == 1


@pytest.mark.parametrize(("slowest", "row"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_goes_no_further_than_the_slowest(tmp_path: Path, slowest: int, row: list[int]) -> None:
    board = Board(tmp_path, slowest=slowest)
    board.zone(0, "cpu-thermal", 120)
    assert steps([1, *board.every(100)]) == row
    assert board.heat.slowest == slowest
    board.zone(0, "cpu-thermal", 20)
    assert steps(board.every(600)) == row[::-1]


@pytest.mark.parametrize("seed", range(5))
def test_never_swings_faster_than_it_may(tmp_path: Path, seed: int) -> None:
    """Whatever the sensors say: back up only after `hold` without any step, down only ten seconds after the last."""
    chance = random.Random(seed)
    board = Board(tmp_path, hold=30.0)
    last, changed = 1, None
    ups = 0
    for _ in range(3000):
        if chance.random() < 0.05:
            board.zone(0, "cpu-thermal", chance.choice([60, 73.9, 74, 77, 79.9, 80, 95]))
        if chance.random() < 0.01:
            board.bits(chance.choice([0, 0x5, 0x50000]))
        (every,) = board.every(1)
        if every == last:
            continue
        assert max(every, last) == 2 * min(every, last)
        if changed is not None:
            assert board.now - changed >= (STEP_SECONDS if every > last else 30.0)
        ups += every < last
        last, changed = every, board.now
    assert ups > 3
