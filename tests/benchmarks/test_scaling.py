"""Cost against size: the real command in its quick form, and the rule for the knee. No test looks at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scaling
from benchmarks.scaling import elasticities, knee, knee_words
from benchmarks.scaling_axes import faces
from edge.errors import AffectEdgeError, ModelError
from edge.inference.catalog import find_model
from edge.sources.demo import DemoSource
from tests.benchmarks.conftest import Benchmark


def curve(cost: Any) -> list[dict[str, float]]:
    return [{"size": float(size), "median": cost(size)} for size in (1, 2, 4, 8, 16, 32, 64)]


def test_the_knee_is_where_what_grows_costs_as_much_as_what_is_always_there() -> None:
    # a / b is 8: from 8 to 16 the cost grows by half.
    points = curve(lambda size: 8 + size)
    assert knee(points) == 8
    assert elasticities(points)[3] == pytest.approx(0.585, abs=0.001)
    assert knee_words(points, 8) == "knee at 8"


def test_what_is_flat_and_what_is_in_proportion_has_no_knee() -> None:
    flat, steep = curve(lambda size: 5.0), curve(lambda size: 3 * size)
    assert knee(flat) is None and knee_words(flat, None) == "no knee up to 64"
    assert elasticities(steep) == [1.0] * 6
    assert knee_words(steep, knee(steep)) == "no knee: in proportion from the first size on"


def test_a_bump_is_no_knee() -> None:
    points = curve(lambda size: 8 + size)
    points[1]["median"] = 30.0
    assert knee(points) == 8
    points[-1]["median"] = points[-2]["median"]
    assert knee(points) is None


@pytest.fixture
def quick(benchmark: Benchmark, tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """What the command finds in its quick form, and the folder that it wrote to."""
    pytest.importorskip("matplotlib")
    try:
        for name in ("face_near", "face_far"):
            find_model("face-detection", name)
        DemoSource().close()
    except AffectEdgeError as error:
        pytest.skip(str(error))
    page = tmp_path / "scaling.md"
    done = benchmark("scaling", "--quick", "--json", "--plot", str(tmp_path / "scaling"), "--write", str(page))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), tmp_path


def test_each_axis_is_measured_drawn_and_written(quick: tuple[dict[str, Any], Path]) -> None:
    found, folder = quick
    page = (folder / "scaling.md").read_text()
    assert list(found["axes"]) == ["faces", "cameras", "resolution", "sound", "journal"]
    for name, axis in found["axes"].items():
        assert (folder / "scaling" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"![{name}](scaling/{name}.png)" in page
        for points in axis["curves"].values():
            sizes = [point["size"] for point in points]
            assert sizes == sorted(set(sizes))
            assert all(0 < point["p5"] <= point["median"] <= point["p95"] for point in points)
            assert f"{points[0]['median']:.3f}" in page
    assert "knee" in scaling.table(found)


def test_faces_that_are_not_observed_are_no_cost_of_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        axis = faces(quick=True)
    except AffectEdgeError as error:
        pytest.skip(str(error))
    call = axis.calls["searched in every frame"][4]
    call(0)
    call(1)
    monkeypatch.setattr("edge.pipeline.faces.FacePipeline.__call__", lambda pipeline, frame: [])
    with pytest.raises(ModelError, match="face_far: observes 0 of 4 faces"):
        call(2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--axis", "weather"), 2, "invalid choice: 'weather'"),
        (("--rounds", "0"), 2, "0 is not 1 or more"),
        (("--quick", "--axis", "sound", "--write", "no-folder/page.md"), 1, "no-folder/page.md: cannot be written"),
    ],
)
def test_bad_arguments_are_told(benchmark: Benchmark, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = benchmark("scaling", *arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
