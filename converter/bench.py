"""How long one inference of each of several .tflite files takes, by the number of threads.

The timing itself is `board_script`, in a process of its own: the same one here and on a board (`remote`), without
TensorFlow's threads and memory beside it, and a runtime that dies of a file takes no conversion with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from converter import board_script
from edge.errors import ModelError

HERE = "this machine"

LOST = 255
"""What ssh ends with when it is the connection that failed."""


@dataclass(frozen=True)
class Effort:
    """How much is timed."""

    threads: tuple[int, ...] | None = None
    """Numbers of threads; None for 1, 2, 4, 8 as far as there are cores, and all cores."""
    turns: int = 50
    """Each file is run so often, `board_script.BURST` times in a row."""
    seconds: float = 15.0
    """For each number of threads: large files get fewer turns, though at least `board_script.LEAST_TURNS`."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one inference."""

    median: float
    p5: float
    p95: float
    runs: int

    def as_dict(self) -> dict[str, float | int]:
        """For JSON: to a tenth of a microsecond."""
        return {key: round(value, 4) for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Machine:
    """What the times belong to."""

    where: str
    """`HERE`, or the board's address."""
    name: str
    """The board's, else the processor's."""
    system: str
    architecture: str
    cores: int
    """That the process may use."""
    runtime: str
    """Such as 'litert 2.1.0'."""
    python: str
    numpy: str
    governor: str | None
    """Of the processor's frequency, as Linux calls it; 'powersave' and 'ondemand' make short runs slow."""
    temperature_c: tuple[float | None, float | None]
    """Degrees Celsius before and after."""
    others: float | None
    """How many cores other processes kept busy meanwhile, on average; None where the system does not tell."""

    @property
    def busy(self) -> bool:
        """Whether there was so much other work that the ratios are to be trusted, not the times."""
        return self.others is not None and self.others > self.cores / 8

    def __str__(self) -> str:
        busy = f", {self.others:g} cores busy with other work" if self.busy else ""
        governor = f", governor {self.governor}" if self.governor else ""
        return f"{self.where}: {self.name}, {self.cores} cores{governor}, {self.system}, {self.runtime}{busy}"


@dataclass(frozen=True)
class Bench:
    """What was timed."""

    machine: Machine
    timings: dict[str, dict[int, Timing]]
    """By file and number of threads."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why a file could not be timed."""


class ScriptFailedError(Exception):
    """The script did not come to its end. For those who started it: only they know what that means."""

    def __init__(self, code: int, said: str, *, began: bool, at: str | None) -> None:
        super().__init__(said)
        self.code = code
        self.said = said
        """The end of its standard error, one line."""
        self.began = began
        """Whether it had told of its machine."""
        self.at = at
        """The file that it was last busy with; None if with none."""


def measure(files: Mapping[str, Path], *, effort: Effort | None = None, progress: bool = True) -> Bench:
    """Time files on this machine, with the interpreter that the runtime would take.

    Parameters
    ----------
    files
        By the name that the answers are under; none to learn only of the machine.

    Raises
    ------
    ModelError
        A file cannot be read, or there is no interpreter to run it.
    """

    def explain(failure: ScriptFailedError) -> Exception:
        return ModelError(f"{sys.executable}: the time of a model cannot be taken: {failure.said}")

    command = (sys.executable, "-c", board_script.BOOTSTRAP)
    return run(command, files, where=HERE, explain=explain, effort=effort, progress=progress)


def run(
    command: Sequence[str],
    files: Mapping[str, Path],
    *,
    where: str,
    explain: Callable[[ScriptFailedError], Exception],
    effort: Effort | None = None,
    progress: bool = True,
) -> Bench:
    """Time files by a command that runs Python with `board_script.BOOTSTRAP`; for `measure` and `remote`.

    A file that the interpreter dies of is left out and told; the others are timed anew.

    Parameters
    ----------
    where
        What `Machine.where` shall be.
    explain
        Makes the error to raise of one that is no file's fault.

    Raises
    ------
    ModelError
        A file cannot be read, or there is no interpreter over there.
    """
    left = {name: _read(path) for name, path in files.items()}
    died: dict[str, str] = {}
    while True:
        try:
            found = _run_once(command, left, where, effort or Effort(), progress)
            return Bench(found.machine, found.timings, {**found.errors, **died})
        except ScriptFailedError as failure:
            if failure.at is None or failure.code == LOST:
                raise explain(failure) from None
            died[failure.at] = f"the interpreter ended without an answer (exit code {failure.code}): {failure.said}"
            del left[failure.at]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def _run_once(command: Sequence[str], files: Mapping[str, bytes], where: str, effort: Effort, progress: bool) -> Bench:
    order = {
        "files": [(name, len(content)) for name, content in files.items()],
        "threads": effort.threads,
        "turns": effort.turns,
        "seconds": effort.seconds,
    }
    script = Path(board_script.__file__).read_bytes()
    sent = b"%d\n%b%b\n%b" % (len(script), script, json.dumps(order).encode(), b"".join(files.values()))
    answers = _Answers(where)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        # Closed by itself below: `with process` would wait for a board that does not answer a Ctrl-C.
        assert process.stdin is not None and process.stdout is not None
        try:
            with process.stdout, tqdm(total=100, desc="time", unit="%", disable=None if progress else True) as bar:
                try:
                    with process.stdin:
                        process.stdin.write(sent)
                except BrokenPipeError:
                    pass  # it has ended already, and its exit code tells why
                for line in process.stdout:
                    answers.take(line)
                    bar.update(int(100 * answers.done) - bar.n)
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if answers.missing is None and not answers.ended:
        raise ScriptFailedError(code, _end_of(said), began=bool(answers.machine), at=answers.at)
    return answers.bench()


class _Answers:
    """The script's lines, taken together."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.machine: dict[str, Any] = {}
        self.missing: list[str] | None = None
        self.at: str | None = None
        self.done = 0.0
        self.ended = False
        self._timings: dict[str, dict[int, Timing]] = {}
        self._errors: dict[str, str] = {}
        self._end: dict[str, Any] = {}

    def take(self, line: bytes) -> None:
        mark = board_script.MARK.encode()
        if not line.startswith(mark):
            return
        said = json.loads(line[len(mark) :])
        self.machine = said.get("machine", self.machine)
        self.missing = said.get("missing", self.missing)
        self.at = said.get("at", self.at)
        self.done = said.get("done", self.done)
        for name, timing in said.get("timings", {}).items():
            self._timings.setdefault(name, {})[int(said["threads"])] = Timing(**timing)
        self._errors.update(said.get("errors", {}))
        if "end" in said:
            self.ended = True
            self._end = said["end"]

    def bench(self) -> Bench:
        if self.missing is not None:
            raise ModelError(_nothing_to_run(self.where, self.machine, self.missing))
        before = self.machine["temperature_c"]
        facts = {**self.machine, **self._end, "temperature_c": (before, self._end["temperature_c"])}
        return Bench(Machine(where=self.where, **facts), self._timings, self._errors)


def _nothing_to_run(where: str, machine: Mapping[str, Any], missing: Sequence[str]) -> str:
    broken = f" ({'; '.join(missing)})" if missing else ""
    # ai-edge-litert has wheels for 64-bit systems alone; tflite-runtime's last ones are for Python 3.11 and NumPy 1.
    package = "tflite-runtime 'numpy<2'" if str(machine["architecture"]).startswith("armv") else "ai-edge-litert"
    told = f"{where}: no TensorFlow Lite interpreter works with Python {machine['python']}{broken}: "
    if where == HERE:
        return f"{told}install one with  pip install {package}"
    # The Python of Debian and of Raspberry Pi OS takes no packages from pip.
    return (
        f"{told}install one there with  python3 -m venv ~/bench && ~/bench/bin/pip install {package}  and name that "
        f"Python: {where}/~/bench/bin/python"
    )


def _end_of(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # LiteRT tells on standard error of what it does; only the last line can be a reason.
    reasons = [line for line in lines if not line.startswith(("INFO:", "WARNING:"))]
    return reasons[-1] if reasons else "it said nothing"
