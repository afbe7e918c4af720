from __future__ import annotations

import argparse
import resource
import time

import pytest

from benchmarks import measuring


def test_functions_take_turns_and_the_warm_up_is_not_counted() -> None:
    called: list[tuple[str, int]] = []
    seconds = measuring.interleaved(
        {"a": lambda turn: called.append(("a", turn)), "b": lambda turn: called.append(("b", turn))},
        rounds=20,
        warmup=3,
    )
    assert {name: len(values) for name, values in seconds.items()} == {"a": 20, "b": 20}
    rounds = [called[at : at + 2] for at in range(0, len(called), 2)]
    assert len(rounds) == 23
    assert all({name for name, _ in pair} == {"a", "b"} and pair[0][1] == pair[1][1] for pair in rounds)
    assert {pair[0][0] for pair in rounds[3:]} == {"a", "b"}, "the order never changes"


def test_what_takes_longer_is_seen_to() -> None:
    seconds = measuring.interleaved({"short": lambda _: None, "long": lambda _: time.sleep(0.005)}, rounds=5, warmup=0)
    assert seconds["short"].min() < 0.005 <= seconds["long"].min()


def test_the_spread_holds_nine_tenths() -> None:
    assert measuring.spread(range(101), scale=2.0) == {"p5": 10.0, "median": 100.0, "p95": 190.0}


def test_memory_is_what_the_kernel_counts() -> None:
    # ru_maxrss is read before: the peak can only grow in between. The two counters differ by what is not yet summed up.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert measuring.memory_kib("VmHWM") >= 0.9 * peak
    assert measuring.memory_kib("VmRSS") <= measuring.memory_kib("VmHWM")
    with pytest.raises(KeyError, match="VmNone"):
        measuring.memory_kib("VmNone")


@pytest.mark.parametrize("text", ["0", "-3", "many"])
def test_counts_are_whole_and_positive(text: str) -> None:
    with pytest.raises((argparse.ArgumentTypeError, ValueError)):
        measuring.positive(text)


@pytest.mark.parametrize(("load", "told"), [(0.3, False), (1.9, True)])
def test_a_busy_machine_is_told(load: float, told: bool) -> None:
    found = {**measuring.environment(), "cores": 2, "load_average": load}
    assert ("trust the ratios" in measuring.environment_lines(found)) is told
