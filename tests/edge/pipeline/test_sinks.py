from __future__ import annotations

import threading

from edge.config_sections import JournalConfig
from edge.observation import Observation
from edge.pipeline.sinks import Thinned, one_at_a_time


def observation(time: float, *, track: int = 1, changed: bool = False) -> Observation:
    return Observation("face", "test", time, time, "happy", 0.9, {"happy": 0.9, "sad": 0.1}, track, changed=changed)


def test_thinning_passes_changes_and_one_an_interval() -> None:
    passed: list[Observation] = []
    sink = Thinned(passed.append, interval=1.0)
    for step in range(31):
        sink(observation(step / 10, changed=step == 5))
    assert [round(each.monotonic_time, 1) for each in passed] == [0.0, 0.5, 1.5, 2.5]


def test_thinning_treats_tracks_apart_and_forgets_those_that_ended() -> None:
    passed: list[Observation] = []
    sink = Thinned(passed.append, interval=JournalConfig().interval)
    for track in range(1000):
        sink(observation(track * 1.0, track=track))
    assert len(passed) == 1000
    assert len(sink._passed) < 20


def test_two_threads_are_let_in_one_by_one() -> None:
    inside, most, seen = 0, 0, 0
    entered = threading.Event()

    def slow(_: Observation) -> None:
        nonlocal inside, most, seen
        inside += 1
        most = max(most, inside)
        # The first waits for the second to be well on its way, which it can only be if it was let in too.
        entered.wait(0.05)
        inside -= 1
        seen += 1

    sink = one_at_a_time(slow)
    threads = [threading.Thread(target=sink, args=(observation(float(n)),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, seen) == (1, 4)
