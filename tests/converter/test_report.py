"""The report of a conversion: table, JSON, and a page that stands for itself."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs affect-edge[convert]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow

from converter import auto, bench, environment, report, report_page, report_plots  # noqa: E402
from converter.auto import Variant, recommend  # noqa: E402
from converter.data import Data, Samples  # noqa: E402
from converter.layer_costs import LayerCost  # noqa: E402
from converter.layer_errors import Histogram, LayerError  # noqa: E402
from converter.methods import Options  # noqa: E402
from converter.report import Report  # noqa: E402
from converter.subject import of_model  # noqa: E402
from edge.errors import ModelError  # noqa: E402
from tests.converter.comparisons import compared, variant  # noqa: E402

NASTY = "conv/<script>alert(1)</script>&\"'"
"""A layer's name can be anything."""

VOID = {"meta", "br"}


def layer(name: str, sqnr_db: float) -> LayerError:
    return LayerError(
        layer=name,
        layers=(name,),
        operator="CONV_2D",
        dtype="int8",
        sqnr_db=sqnr_db,
        mean_error=0.0123,
        low=-1.0,
        high=3.0,
        clipped=0.005,
        histogram=Histogram((-1.0, 0.0, 1.0, 3.0), (4, 0, 96)),
    )


@pytest.fixture
def full() -> Report:
    comparison = compared(
        variant("int8", 60, 0.795, 2.0, 1.25, notes={"seed": 3}),
        variant("dynamic", 61, 0.8, 3.0, 2.0, floating=("CONV_2D", "CONV_2D", "SOFTMAX")),
        variant("float32", 200, 0.8, 5.0, 2.6, floating=("CONV_2D",)),
        Variant("qat", error="layer 'x' <LSTM> is not known"),
    )
    layers = [layer(f"conv_{index}", 20.0 + index) for index in range(30)]
    layers[7] = layer(NASTY, 4.5)
    layers[8] = layer("reshape", 200.0)
    return Report(
        name="face & co",
        model="face.keras",
        data="pictures/",
        comparison=comparison,
        recommendation=recommend(comparison),
        max_drop=0.01,
        layers={"int8": layers},
        unmeasured={"int16x8": "no layer in common"},
        costs=[LayerCost("head", ("head", "relu"), 3.25, 33.0, 0.99, 0.97, 31.0)],
        facts={"seed": 3, "versions": {"keras": "3.9"}},
    )


def test_the_table(full: Report) -> None:
    lines = report.table(full).splitlines()
    cells = [line.split() for line in lines]
    assert ["int8", "60.0", "0.7950", "+0.0050", "2", "1.25", "none"] in cells
    assert ["dynamic", "61.0", "0.8000", "+0.0000", "3", "2", "2", "CONV_2D,", "SOFTMAX"] in cells
    assert "qat is out of the question: layer 'x' <LSTM> is not known" in lines
    assert f"     4.5  {NASTY} (CONV_2D)" in lines
    assert sum("(CONV_2D)" in line for line in lines) == report.WORST
    assert "layers of int16x8 were not measured: no layer in common" in lines
    assert "    +3.2  head + relu" in lines
    assert "take      int8, 2 threads" in lines
    assert f"rule      {full.recommendation.rule}" in lines
    assert f"because   {full.recommendation.why}" in lines
    head = next(line for line in lines if line.startswith("method"))
    row = next(line for line in lines if line.startswith("dynamic"))
    assert head.index("ms, 2 thr") + len("ms, 2 thr") == row.index("2 CONV_2D") - 2


def test_json_holds_all_of_it(full: Report, tmp_path: Path) -> None:
    report.write_json(full, tmp_path / "new" / "report.json")
    found = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    assert found["measure"] == "accuracy"
    assert found["float_model"] == 0.8
    assert found["seed"] == 3
    assert found["machine"]["name"] == "Board 5"
    int8, dynamic, _, qat = found["variants"]
    assert (int8["size_bytes"], int8["score"], int8["drop"]) == (60_000, 0.795, 0.005)
    assert int8["milliseconds"]["2"] == {"median": 1.25, "p5": 1.125, "p95": 1.5, "runs": 150}
    assert int8["notes"] == {"seed": 3}
    assert dynamic["floating"] == {"CONV_2D": 2, "SOFTMAX": 1}
    assert qat["error"] == "layer 'x' <LSTM> is not known"
    assert qat["score"] is None
    assert [each["layer"] for each in found["layers"]["int8"]][7] == NASTY
    assert found["layers"]["int8"][0]["histogram"]["counts"] == [4, 0, 96]
    assert found["layers_unmeasured"] == {"int16x8": "no layer in common"}
    assert found["costliest_layers"][0]["gain_db"] == 3.25
    assert found["recommendation"]["method"] == "int8"
    assert found["recommendation"]["max_drop"] == 0.01
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]


@pytest.mark.parametrize("write", [report.write_json, report_page.write_page])
def test_a_folder_that_cannot_be_written(write: object, full: Report, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"out\.x: cannot be written: .*; free space or name another folder"):
        write(full, tmp_path / "file" / "out.x")  # type: ignore[operator]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Page(HTMLParser):
    """Elements, their attributes and texts; fails on what is not closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def attributes(self, name: str) -> Iterator[str]:
        return (str(attributes[name]) for _, attributes in self.elements if name in attributes)


@pytest.fixture
def page(full: Report) -> Page:
    return Page(report_page.page(full))


def test_the_page_needs_nothing_from_anywhere(full: Report, page: Page) -> None:
    text = report_page.page(full)
    assert not re.search(r"https?://|url\(|@import|<script|<link|<img|<iframe| on\w+=", text)
    assert not set(page.attributes("src")) | set(page.attributes("href"))
    policy = next(attributes for tag, attributes in page.elements if "http-equiv" in attributes)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert report_page.page(full) == text  # and it is the same each time


def test_names_stay_text(page: Page) -> None:
    assert NASTY in page.texts["th"]
    assert "script" not in {tag for tag, _ in page.elements}
    assert "layer 'x' <LSTM> is not known" in page.texts["dd"]


def test_every_plot_has_its_words_and_identities_are_unique(page: Page) -> None:
    plots = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(plots) == 3 + report_page.HISTOGRAMS
    identities = list(page.attributes("id"))
    assert len(identities) == len(set(identities))
    for plot in plots:
        assert plot["role"] == "img"
        assert set(str(plot["aria-labelledby"]).split()) <= set(identities)
    assert any("int8: 60.0 kB, 0.7950" in text for text in page.texts["desc"])
    assert "Latency by threads" in page.texts["title"]


def test_the_page_tells_what_the_table_does(full: Report, page: Page) -> None:
    assert f"{full.recommendation.why}." in page.texts["p"]
    assert f"The rule: {full.recommendation.rule}." in page.texts["p"]
    assert {"60.0", "0.7950", "+0.0050", "1.25"} <= set(page.texts["td"])
    assert {"int8, 2 threads", "1.25 ms", "float32"} <= set(page.texts["text"])
    assert "2 CONV_2D, SOFTMAX" in page.texts["td"]
    assert "head + relu" in page.texts["th"]
    assert "no layer in common" in page.texts["p"]
    assert any(title.startswith(f"8. {NASTY} (CONV_2D): 4.5 dB") for title in page.texts["title"])
    chosen = [attributes for tag, attributes in page.elements if attributes.get("class") == "chosen"]
    assert len(chosen) == 2  # a row and a mark


def test_marks_and_columns_lie_within_their_plots(page: Page) -> None:
    width = report_plots.WIDTH
    marks = [attributes for tag, attributes in page.elements if tag == "circle"]
    assert len(marks) == 3
    assert all(64 <= float(str(mark["cx"])) <= width - 24 for mark in marks)
    assert all(16 <= float(str(mark["cy"])) <= 300 for mark in marks)
    for tag, attributes in page.elements:
        if tag == "rect":
            sizes = [float(str(attributes[key])) for key in ("x", "y", "width", "height")]
            assert all(math.isfinite(size) and size >= 0 for size in sizes)
            assert sizes[0] + sizes[2] <= width


def test_a_model_that_is_no_classifier_has_no_same_class(full: Report) -> None:
    unlike = replace(full, comparison=replace(full.comparison, measure="variance explained"))
    found, classified = (Page(report_page.page(each)) for each in (unlike, full))
    assert "0.9900" in classified.texts["td"]
    assert "0.9900" not in found.texts["td"]
    assert found.texts["td"].count("–") == 4
    assert not any("the same class" in text for text in found.texts["p"])
    assert any("the same class is named in 0.9700" in text for text in classified.texts["p"])


def test_a_page_without_layers_and_with_one_variant(full: Report) -> None:
    alone = compared(variant("float32", 200, 0.8, 5.0))
    plain = replace(full, comparison=alone, recommendation=recommend(alone), layers={}, unmeasured={}, costs=())
    page = Page(report_page.page(plain))
    assert [tag for tag, _ in page.elements].count("svg") == 2
    assert "take      float32, 1 thread" in report.table(plain)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0.0, 0.03, [0, 0.01, 0.02, 0.03]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (3, 3, []),
        (0.788, 0.801, [0.79, 0.795, 0.8]),
    ],
)
def test_ticks_are_round(low: float, high: float, marks: list[float]) -> None:
    assert report_plots.ticks(low, high) == pytest.approx(marks)


def test_names_of_marks_do_not_cover_each_other() -> None:
    points = [report_plots.Point(f"method{index}", 100 + index, 0.8, index) for index in range(5)]
    plot = report_plots.scatter(
        "a", "b", "c", points, x_label="x", y_label="y", level=0.9, level_text="l", floor=0.7, floor_text="f"
    )
    found = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(start|end)">(method\d)<', plot)
    assert len(found) == 5
    boxes = []
    for x, y, anchor, name in found:
        wide = 7.0 * len(name)
        boxes.append((float(x) - (wide if anchor == "end" else 0), float(y) - 12, wide, 16.0))
    for index, box in enumerate(boxes):
        assert not any(report_plots._meet(box, other) for other in boxes[:index])


def test_a_histogram_of_nothing_but_zeros() -> None:
    plot = report_plots.histogram("a", "b", "c", np.array([0, 9, 0]), np.array([0.0, 0.25, 0.5, 1.0]))
    assert plot.count("<rect") == 3
    assert "0.25 to 0.5: 9" in plot


def test_of_a_real_model(tmp_path: Path) -> None:
    """A convolution and a dense layer, from the float model to the written page."""
    environment.prepare()
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = [
        tf_keras.layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1), name="first"),
        tf_keras.layers.GlobalAveragePooling2D(name="mean"),
        tf_keras.layers.Dense(3, name="last"),
    ]
    subject = of_model(tf_keras.Sequential(layers, name="tiny"))
    x = np.random.default_rng(0).uniform(size=(60, 8, 8, 1)).astype(np.float32)
    data = Data(Samples(x[:40], None), Samples(x[40:], None), None, "noise.npz")
    options = Options(seed=5, progress=False)

    def timer(files: Mapping[str, Path]) -> bench.Bench:
        return bench.measure(files, effort=bench.Effort(threads=(1,), turns=2), progress=False)

    comparison = auto.variants(subject, data, options, methods=("int8", "float32"), timer=timer)
    found = report.of(subject, data, comparison, options, max_drop=1.0, costliest=1, facts={"asked": "auto"})
    assert set(found.layers) == {"int8"}
    assert [error.layer for error in found.layers["int8"]] == ["first", "mean", "last"]
    assert found.facts["asked"] == "auto"
    assert found.facts["seed"] == 5
    assert "tensorflow" in found.facts["versions"]
    assert [cost.layer for cost in found.costs] in (["first"], ["mean"], ["last"])
    json.dumps(report.as_dict(found))
    report_page.write_page(found, tmp_path / "report.html")
    assert {"first", "mean", "last"} <= set(Page((tmp_path / "report.html").read_text(encoding="utf-8")).texts["th"])
