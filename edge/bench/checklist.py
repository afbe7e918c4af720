"""What is to be measured, and what came of each: so that nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Iterable

from edge.bench.document import Reason


class Checklist:
    """Names of what is to be measured, in their order; each ends up measured, or with a reason why not."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._reasons: list[Reason] = []

    def plan(self, names: Iterable[str]) -> None:
        """Add what is to be measured."""
        self._open += names

    def done(self, name: str) -> None:
        """It was measured, or is absent and that is told elsewhere."""
        if name in self._open:
            self._open.remove(name)

    def fail(self, prefix: str, reason: str) -> None:
        """Everything open whose name begins so was not measured; where nothing is open, the prefix itself."""
        names = [name for name in self._open if name.startswith(prefix)]
        for name in names:
            self._open.remove(name)
        self._reasons += [Reason(what=name, reason=reason) for name in names or [prefix]]

    def is_open(self, prefix: str) -> bool:
        """Whether something whose name begins so was neither measured nor given up."""
        return any(name.startswith(prefix) for name in self._open)

    def reasons(self, otherwise: str) -> list[Reason]:
        """What was not measured; what is still open has the other reason."""
        return [*self._reasons, *(Reason(what=name, reason=otherwise) for name in self._open)]
