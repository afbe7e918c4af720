"""Which operators of a file an accelerator would leave to the CPU.

XNNPACK is asked itself: the file is loaded and its execution plan read. The GPU delegate and the Edge TPU compiler are
not at hand where models are converted: for them the published lists speak (`delegate_lists`).
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from converter import delegate_lists
from converter.delegate_lists import Rule
from converter.tflite_file import Graph, Operator, read
from edge.errors import MissingDependencyError, ModelError

_TOLD = 3
"""Kinds of operators that a summary names."""

DelegateName = Literal["xnnpack", "gpu", "edge-tpu"]


@dataclass(frozen=True)
class DelegateSupport:
    """How much of a file one delegate takes."""

    delegate: DelegateName
    source: str
    """What says so: the runtime that was asked, or the list."""
    operators: int
    """Of the file."""
    falls_back: tuple[tuple[str, str], ...]
    """(operator, reason) for each operator that stays on the CPU's own kernels, in the order in which they run."""

    @property
    def complete(self) -> bool:
        """The delegate takes the whole model."""
        return not self.falls_back

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)

    def summary(self) -> str:
        """One line: how many it takes, and what falls back for which reason; `falls_back` has all of them."""
        line = f"{self.delegate}: {self.operators - len(self.falls_back)} of {self.operators} operators"
        if self.complete:
            return line
        counts = Counter(self.falls_back)
        told = [f"{count} {name} ({reason})" for (name, reason), count in list(counts.items())[:_TOLD]]
        more = sum(list(counts.values())[_TOLD:])
        return f"{line}; on the CPU: {'; '.join(told)}" + (f"; {more} more" if more else "")


def check(path: Path) -> list[DelegateSupport]:
    """What XNNPACK, LiteRT's GPU delegate and the Edge TPU compiler take of a .tflite file.

    Raises
    ------
    ModelError
        The file is missing, damaged, or LiteRT cannot load it.
    MissingDependencyError
        LiteRT is not installed.
    """
    graph = read(path)
    return [
        _xnnpack(path, graph),
        DelegateSupport(
            "gpu", delegate_lists.GPU_SOURCE, len(graph.operators), _fallen(graph.operators, delegate_lists.gpu)
        ),
        DelegateSupport("edge-tpu", delegate_lists.EDGE_TPU_SOURCE, len(graph.operators), _first_part(graph.operators)),
    ]


def _fallen(operators: Iterable[Operator], rule: Rule) -> tuple[tuple[str, str], ...]:
    return tuple((operator.name, reason) for operator in operators if (reason := rule(operator)))


def _first_part(operators: Iterable[Operator]) -> tuple[tuple[str, str], ...]:
    """The Edge TPU compiler makes one part of what comes before the first operator that it does not take.

    Whatever needs the result of an operator on the CPU stays there as well.
    """
    found: list[tuple[str, str]] = []
    on_cpu: dict[int, str] = {}
    for operator in operators:
        reason = delegate_lists.edge_tpu(operator)
        before = next((on_cpu[tensor.index] for tensor in operator.inputs if tensor.index in on_cpu), None)
        if reason is None and before is not None:
            reason = f"behind {before}, where the compiler ends its part"
        if reason is None:
            continue
        found.append((operator.name, reason))
        on_cpu.update((tensor.index, before or operator.name) for tensor in operator.outputs)
    return tuple(found)


def _xnnpack(path: Path, graph: Graph) -> DelegateSupport:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:
        raise MissingDependencyError("ai-edge-litert", "convert", "asking XNNPACK what it takes") from None
    try:
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: LiteRT cannot load it: {error}") from error
    taken = _taken(interpreter._get_ops_details(), len(graph.operators))
    reason = f"not taken on {platform.machine()}"
    fallen = tuple((operator.name, reason) for operator in graph.operators if operator.index not in taken)
    return DelegateSupport(
        "xnnpack", f"ai-edge-litert {version('ai-edge-litert')} on this machine", len(graph.operators), fallen
    )


def _taken(details: list[dict[str, Any]], count: int) -> set[int]:
    """Numbers of the operators that stand inside a delegate's node.

    LiteRT lists the file's own operators first and behind them one node for each part that a delegate has taken, with
    the tensors at the part's edges. Which operators are inside follows from those: whatever makes an output of the
    part, and whatever makes an input of those, up to the inputs of the part.
    """
    maker = {int(tensor): number for number, each in enumerate(details[:count]) for tensor in each["outputs"]}
    taken: set[int] = set()
    for part in details[count:]:
        edge = {int(tensor) for tensor in part["inputs"]}
        waiting = [int(tensor) for tensor in part["outputs"]]
        while waiting:
            tensor = waiting.pop()
            number = maker.get(tensor)
            if tensor in edge or number is None or number in taken:
                continue
            taken.add(number)
            waiting += [int(each) for each in details[number]["inputs"]]
    return taken
