"""Trying all methods on one model, and the rule that recommends one."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow

from converter import auto, environment, verify  # noqa: E402
from converter.auto import Variant, recommend  # noqa: E402
from converter.bench import Bench, Timing  # noqa: E402
from converter.data import Data, Samples  # noqa: E402
from converter.methods import METHODS, Options  # noqa: E402
from converter.subject import Subject, of_function  # noqa: E402
from edge.errors import BoardError, ModelError  # noqa: E402
from tests.converter.comparisons import BUSY, QUIET, compared, variant  # noqa: E402

QUIETLY = Options(progress=False)


@pytest.mark.parametrize(
    ("variants", "method", "threads"),
    [
        pytest.param([variant("int8", 60, 0.795, 2.0), variant("float32", 200, 0.8, 5.0)], "int8", 1, id="fastest"),
        pytest.param([variant("int8", 60, 0.789, 2.0), variant("float32", 200, 0.8, 5.0)], "float32", 1, id="too far"),
        pytest.param([variant("int8", 60, 0.79, 2.0), variant("float32", 200, 0.8, 5.0)], "int8", 1, id="just near"),
        pytest.param([variant("int8", 60, 0.8, 9.0), variant("float32", 200, 0.8, 5.0)], "float32", 1, id="int8 slow"),
        pytest.param([variant("float16", 100, 0.8, 5.2), variant("float32", 200, 0.8, 5.0)], "float16", 1, id="small"),
        pytest.param([variant("int8", 60, 0.793, 2.0), variant("qat", 61, 0.8, 2.05)], "qat", 1, id="better"),
        pytest.param([variant("int8", 60, 0.8, 2.0), variant("qat", 60, 0.8, 2.0)], "int8", 1, id="the first"),
        pytest.param([variant("qat", 60, 0.83, 2.0), variant("float32", 200, 0.8, 5.0)], "qat", 1, id="above float"),
        pytest.param([variant("int8", 60, 0.8, 4.0, 2.1, 2.05)], "int8", 2, id="fewest of equal threads"),
        pytest.param([variant("int8", 60, 0.8, 4.0, 2.0), variant("dynamic", 60, 0.8, 3.0, 3.0)], "int8", 2, id="best"),
        pytest.param([variant("int8", 60, 0.5, 1.0), variant("dynamic", 60, 0.6, 2.0)], "dynamic", 1, id="none near"),
        pytest.param(
            [variant("int8", 60, 0.8, 1.0, error="cannot run"), variant("qat", 60, 0.8, 2.0)], "qat", 1, id="failed"
        ),
    ],
)
def test_the_rule(variants: list[Variant], method: str, threads: int) -> None:
    chosen = recommend(compared(*variants))
    assert (chosen.method, chosen.threads) == (method, threads)


def test_the_allowed_drop_is_the_users() -> None:
    both = compared(variant("int8", 60, 0.75, 1.0), variant("float32", 200, 0.8, 5.0))
    assert recommend(both, 0.05).method == "int8"
    assert recommend(both, 0.04).method == "float32"
    assert "at most 0.04 below" in recommend(both, 0.04).rule


def test_why_tells_the_figures() -> None:
    chosen = recommend(
        compared(
            variant("int8", 60, 0.7, 1.0),
            variant("qat", 60, 0.795, 2.0),
            variant("int16x8", 70, 0.8, 2.0),
            variant("float32", 200, 0.8, 5.0),
        )
    )
    assert chosen.why == (
        "qat has accuracy 0.7950 (0.0050 below the float model), 60.0 kB and takes 2 ms, where float32 has 200.0 kB "
        "and takes 2.50 times as long; as fast, but larger: int16x8; faster, but too far off: int8 (0.1000 below)"
    )


def test_doubts_are_told() -> None:
    few = recommend(compared(variant("int8", 60, 0.8, 1.0), samples=50, machine=BUSY))
    assert "one of the 50 validation samples makes 0.0200, more than the 0.01 allowed" in few.why
    assert "other work to do meanwhile: measure again" in few.why
    many = recommend(compared(variant("int8", 60, 0.8, 1.0), samples=100))
    assert "beware" not in many.why


def test_without_one_that_works() -> None:
    with pytest.raises(ModelError, match="int8: too small; float32: cannot be run"):
        recommend(compared(Variant("int8", error="too small"), Variant("float32", error="cannot be run")))


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A function of 6 numbers with 3 classes, whose layers nobody knows: it cannot be fine-tuned."""
    environment.prepare()
    import tensorflow as tf

    weights = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    function = tf.function(lambda x: tf.matmul(tf.nn.relu(x), weights))
    return of_function(function.get_concrete_function(tf.TensorSpec((1, 6), tf.float32)), name="plain")


@pytest.fixture(scope="module")
def data(subject: Subject) -> Data:
    x = np.random.default_rng(1).uniform(-1, 1, (60, 6)).astype(np.float32)
    y = subject.predict(x).argmax(axis=1)
    y[40:44] = (y[40:44] + 1) % 3  # four of the twenty are no longer what the float model says
    return Data(Samples(x[:40], y[:40]), Samples(x[40:], y[40:]), None, "numbers.npz")


class Timer:
    """Takes no time; dynamic cannot run on its board."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, files: Mapping[str, Path]) -> Bench:
        self.asked.append(tuple(files))
        assert all(path.read_bytes()[4:8] == b"TFL3" for path in files.values())
        times = {name: {1: Timing(2.0, 1.9, 2.1, 9)} for name in files if name != "dynamic"}
        return Bench(QUIET, times, {"dynamic": "unresolved op"} if "dynamic" in files else {})


@pytest.fixture(scope="module")
def tried(subject: Subject, data: Data) -> tuple[auto.Comparison, Timer]:
    timer = Timer()
    return auto.variants(subject, data, QUIETLY, timer=timer), timer


def test_all_methods_are_tried_and_measured(tried: tuple[auto.Comparison, Timer]) -> None:
    found, _ = tried
    assert [each.method for each in found.variants] == list(METHODS)
    assert found.measure == "accuracy"
    assert found.baseline == 0.8
    assert found.samples == 20
    assert found.machine is QUIET
    plain = found["float32"]
    assert plain.error is None
    assert plain.score == 0.8
    assert plain.agreement is not None and plain.agreement.top1 == 1
    assert plain.milliseconds == {1: 2.0}
    assert plain.floating
    small = found["int8"]
    assert small.floating == ()
    assert small.notes["calibration_samples"] == 40
    assert small.size_bytes is not None and plain.size_bytes is not None
    assert found.drop(plain) == 0


def test_one_that_fails_is_told_and_stops_no_other(tried: tuple[auto.Comparison, Timer]) -> None:
    found, timer = tried
    failed = {each.method: each for each in found.variants if each.error}
    assert set(failed) == {"qat", "dynamic"}
    assert "cannot be fine-tuned" in str(failed["qat"].error)
    assert failed["qat"].size_bytes is None
    assert failed["dynamic"].error == "this machine: unresolved op"
    assert failed["dynamic"].score == 0.8  # it was judged here, and is only of no use there
    assert timer.asked == [(), tuple(method for method in METHODS if method != "qat")]
    assert recommend(found).method in set(METHODS) - set(failed)


def test_what_nobody_foresaw_is_told_too(subject: Subject, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise KeyError("a layer\nof legacy Keras")

    monkeypatch.setattr(auto, "convert", fails)
    found = auto.variants(subject, data, QUIETLY, methods=("int8",), timer=Timer())
    assert found["int8"].error == "KeyError: 'a layer\\nof legacy Keras'"


def test_without_labels_the_float_model_is_the_judge(subject: Subject, data: Data) -> None:
    unlabelled = Data(Samples(data.calibration.x, None), Samples(data.validation.x, None), None, "numbers.npz")
    found = auto.variants(subject, unlabelled, QUIETLY, methods=("float32", "int8"), timer=Timer())
    assert found.measure == "agreement"
    assert found.baseline == 1
    assert found["float32"].score == 1


def test_a_model_that_is_no_classifier(data: Data, tmp_path: Path) -> None:
    import tensorflow as tf

    function = tf.function(lambda x: tf.reduce_sum(x, axis=1, keepdims=True))
    one = of_function(function.get_concrete_function(tf.TensorSpec((1, 6), tf.float32)), name="sum")
    numbers = Data(Samples(data.calibration.x, None), Samples(data.validation.x, None), None, "numbers.npz")
    found = auto.variants(one, numbers, QUIETLY, methods=("float32", "int8"), timer=Timer())
    assert found.measure == "variance explained"
    assert found["float32"].score == pytest.approx(1, abs=1e-6)
    rounded = found["int8"]
    assert rounded.content is not None
    (tmp_path / "int8.tflite").write_bytes(rounded.content)
    x = data.validation.x
    right, ours = one.predict(x)[:, 0], verify.logits(tmp_path / "int8.tflite", x)[:, 0]
    expected = 1 - ((ours - right) ** 2).sum() / ((right - right.mean()) ** 2).sum()
    assert expected < 1
    assert rounded.score == pytest.approx(expected, abs=1e-5)


def test_a_board_that_is_not_there_is_found_out_before_the_work(subject: Subject, data: Data) -> None:
    def lost(files: Mapping[str, Path]) -> Bench:
        assert not files
        raise BoardError("ssh://board: cannot be reached")

    with pytest.raises(BoardError, match="cannot be reached"):
        auto.variants(subject, data, QUIETLY, timer=lost)
