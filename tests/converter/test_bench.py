"""Latency by threads: the script that times, and what is made of its answers."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from converter import bench, board_script
from converter.bench import Effort
from edge.errors import ModelError
from edge.inference import interpreter

SMALL = Path(__file__).parents[1] / "data" / "small_int8.tflite"
QUICK = Effort(threads=(1, 2), turns=2, seconds=5)

FAKE_RUNTIME = """
import os, signal
class Interpreter:
    def __init__(self, model_content, num_threads):
        self.content = model_content
        with open(os.environ["CALLS"], "a") as log:
            log.write(f"load {model_content.decode()} {num_threads}\\n")
    def allocate_tensors(self):
        if self.content == b"refused":
            raise RuntimeError("unresolved custom op")
    def get_input_details(self):
        return []
    def invoke(self):
        if self.content == b"deadly":
            os.kill(os.getpid(), signal.SIGSEGV)
        with open(os.environ["CALLS"], "a") as log:
            log.write(f"invoke {self.content.decode()}\\n")
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for LiteRT in the process that times; it logs what is asked of it in the file."""
    package = tmp_path / "fake" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(FAKE_RUNTIME)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def files_of(tmp_path: Path, *contents: str) -> dict[str, Path]:
    for content in contents:
        (tmp_path / content).write_text(content)
    return {content: tmp_path / content for content in contents}


def answering(*answers: object) -> tuple[str, ...]:
    """A command that answers so without having measured anything."""
    lines = [answer if isinstance(answer, str) else board_script.MARK + json.dumps(answer) for answer in answers]
    return (sys.executable, "-c", f"import sys; sys.stdin.buffer.read(); print({chr(10).join(lines)!r})")


def no_explanation(failure: bench.ScriptFailedError) -> Exception:
    return failure


def test_a_real_model_here(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(SMALL.read_bytes()[:300])
    found = bench.measure({"small": SMALL, "broken": broken}, effort=QUICK, progress=False)
    assert set(found.timings) == {"small"}
    assert set(found.timings["small"]) == {1, 2}
    timing = found.timings["small"][1]
    assert 0 < timing.p5 <= timing.median <= timing.p95
    assert timing.runs == QUICK.turns * board_script.BURST
    assert set(found.errors) == {"broken"}
    assert found.machine.where == bench.HERE
    assert found.machine.runtime.startswith("litert ")
    assert found.machine.cores >= 1
    assert found.machine.others is not None and found.machine.others >= 0
    assert found.machine.system in str(found.machine)


def test_without_files_it_tells_of_the_machine() -> None:
    found = bench.measure({}, effort=QUICK, progress=False)
    assert found.timings == {}
    assert found.machine.architecture


def test_each_number_of_threads_by_itself_and_the_files_in_turns(calls: Path, tmp_path: Path) -> None:
    found = bench.measure(files_of(tmp_path, "a", "b"), effort=Effort((1, 3), turns=8, seconds=60), progress=False)
    lines = calls.read_text().splitlines()
    assert [line for line in lines if line.startswith("load")] == ["load a 1", "load b 1", "load a 3", "load b 3"]
    burst = board_script.BURST + 1
    counted = lines[6 : 6 + 16 * burst]  # after two loads and twice two runs to warm up
    order = [line[-1] for line in counted[::burst]]
    assert counted == [f"invoke {name}" for name in order for _ in range(burst)]
    assert all(set(order[at : at + 2]) == {"a", "b"} for at in range(0, 16, 2))
    assert len(set(order[::2])) == 2  # neither always goes first
    assert found.timings["a"][3].runs == 8 * board_script.BURST


def test_a_budget_limits_the_turns(calls: Path, tmp_path: Path) -> None:
    found = bench.measure(files_of(tmp_path, "a"), effort=Effort((1,), turns=1000, seconds=0), progress=False)
    assert found.timings["a"][1].runs == board_script.LEAST_TURNS * board_script.BURST


def test_a_file_that_kills_the_interpreter_is_told_and_the_others_are_timed(calls: Path, tmp_path: Path) -> None:
    found = bench.measure(files_of(tmp_path, "fine", "deadly", "refused"), effort=QUICK, progress=False)
    assert set(found.timings) == {"fine"}
    assert found.errors["refused"] == "unresolved custom op"
    assert "ended without an answer (exit code -11)" in found.errors["deadly"]


def test_what_others_write_among_the_answers_is_passed_over() -> None:
    machine = bench.measure({}, effort=QUICK, progress=False).machine
    told = {key: value for key, value in vars(machine).items() if key not in ("where", "others")}
    facts = told | {"temperature_c": 40.5, "cores": 4}
    timing = {"median": 2.0, "p5": 1.0, "p95": 3.0, "runs": 9}
    command = answering(
        "Welcome to Board OS",
        {"machine": facts},
        {"threads": 4, "timings": {"a": timing}, "errors": {"b": "why"}},
        {"end": {"temperature_c": 61.0, "others": 1.5}},
        "Goodbye",
    )
    found = bench.run(command, {}, where="there", explain=no_explanation, progress=False)
    assert found.timings == {"a": {4: bench.Timing(**timing)}}  # type: ignore[arg-type]
    assert found.errors == {"b": "why"}
    assert found.machine.where == "there"
    assert found.machine.temperature_c == (40.5, 61.0)
    assert found.machine.busy
    assert "1.5 cores busy" in str(found.machine)
    assert not replace(found.machine, others=0.5).busy
    assert not replace(found.machine, others=None).busy


@pytest.mark.parametrize(
    ("architecture", "missing", "mend"),
    [
        (
            "aarch64",
            ["numpy: No module named 'numpy'"],
            r"named 'numpy'\): .*bin/pip install ai-edge-litert  and name that Python: there/~/bench/bin/python$",
        ),
        ("armv7l", [], r"bin/pip install tflite-runtime 'numpy<2'  and name"),
    ],
)
def test_a_board_without_an_interpreter_says_what_to_install(architecture: str, missing: list[str], mend: str) -> None:
    command = answering({"machine": {"architecture": architecture, "python": "3.11.2"}, "missing": missing})
    with pytest.raises(ModelError, match=f"^there: no TensorFlow Lite interpreter .*{mend}"):
        bench.run(command, {}, where="there", explain=no_explanation, progress=False)


def test_an_end_without_an_answer_goes_to_who_started_it() -> None:
    command = (sys.executable, "-c", "import sys; print('INFO: x', file=sys.stderr); sys.exit('no more disk')")
    with pytest.raises(bench.ScriptFailedError, match="no more disk") as caught:
        bench.run(command, {}, where="there", explain=no_explanation, progress=False)
    assert (caught.value.code, caught.value.began, caught.value.at) == (1, False, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.tflite: cannot be read"):
        bench.measure({"gone": tmp_path / "gone.tflite"}, progress=False)


@pytest.mark.parametrize(
    ("cores", "threads"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6]), (64, [1, 2, 4, 8])]
)
def test_default_threads(cores: int, threads: list[int]) -> None:
    assert board_script.default_threads(cores) == threads


def test_the_script_can_run_on_old_boards_and_takes_the_runtimes_of_the_device() -> None:
    source = Path(board_script.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 7))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names | {"numpy"}
    ours = [(package.runtime, package.distribution, package.module) for package in interpreter._PACKAGES]
    assert list(board_script.RUNTIMES) == ours
