"""When something that failed is tried again."""

# mypy believes that what was asserted of a property once stays so.
# mypy: disable-error-code="unreachable, comparison-overlap"

from __future__ import annotations

from edge.service.restarts import RestartPolicy


def test_five_attempts_then_it_backs_off() -> None:
    policy = RestartPolicy(restarts=5, window=600, backoff=60)
    assert [policy.failed(now) for now in range(5)] == [0, 1, 2, 4, 8]
    assert not policy.backing_off
    assert policy.failed(5) == 60
    assert policy.backing_off
    assert policy.total == 6


def test_the_long_pauses_double_up_to_ten_minutes() -> None:
    policy = RestartPolicy(restarts=1, window=600, backoff=60)
    now, pauses = 0.0, []
    for _ in range(8):
        pauses.append(policy.failed(now))
        now += pauses[-1] + 1
    assert pauses == [0, 60, 120, 240, 480, 600, 600, 600]


def test_old_failures_do_not_count() -> None:
    policy = RestartPolicy(restarts=2, window=100, backoff=60)
    assert [policy.failed(now) for now in (0, 99, 150, 260, 400)] == [0, 1, 1, 0, 0]
    assert not policy.backing_off


def test_a_short_recovery_does_not_end_the_backing_off() -> None:
    policy = RestartPolicy(restarts=1, window=100, backoff=60)
    policy.failed(0)
    policy.failed(1)
    policy.worked(61, 70)
    assert policy.backing_off
    assert policy.failed(70) == 120


def test_a_window_of_good_work_does() -> None:
    policy = RestartPolicy(restarts=1, window=100, backoff=60)
    policy.failed(0)
    policy.failed(1)
    policy.worked(61, 161)
    assert not policy.backing_off
    assert policy.failed(200) == 0
    assert policy.total == 3
