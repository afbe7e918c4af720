"""What a set of texts is made of: its classes, its lengths, its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.features.words import is_word, tokenise
from training.datasets.text_set import FloatArray, TextSet

PERCENTILES = (5, 50, 95, 100)
"""Of the lengths that are told."""


@dataclass(frozen=True)
class Overview:
    """One split of a set."""

    labels: tuple[str, ...]
    targets: FloatArray
    """(n, labels) 0 or 1, or ratings."""
    lengths: npt.NDArray[np.int64]
    """(n,) tokens."""
    words: tuple[tuple[str, int], ...]
    """The most frequent words and how many of the texts have them, the most frequent first."""

    @property
    def rated(self) -> bool:
        """Whether the targets are ratings."""
        return not bool(np.isin(self.targets, (0, 1)).all())

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        shares = self.targets.mean(axis=0) if len(self.targets) else np.zeros(len(self.labels))
        key = "mean_rating" if self.rated else "share"
        return {
            "texts": len(self.targets),
            key: {label: round(float(share), 4) for label, share in zip(self.labels, shares, strict=True)},
            "tokens": {
                str(each): int(length)
                for each, length in zip(PERCENTILES, np.percentile(self.lengths, PERCENTILES), strict=True)
            },
            "words": dict(self.words),
        }


def overview(texts: TextSet, *, most: int, without: Collection[str] = ()) -> Overview:
    """Look at a split.

    Parameters
    ----------
    most
        How many words to tell.
    without
        Words that are not told, such as stop words.
    """
    lengths = []
    counts: Counter[str] = Counter()
    for text in texts.texts:
        tokens = tokenise(text)
        lengths.append(len(tokens))
        counts.update({token for token in tokens if is_word(token)})
    told = {word: count for word, count in counts.items() if word not in without}
    # Of equally frequent ones the first by the alphabet: the same texts give the same words.
    words = sorted(told.items(), key=lambda item: (-item[1], item[0]))[:most]
    return Overview(texts.labels, texts.targets, np.array(lengths, np.int64), tuple(words))


def as_table(splits: Mapping[str, Overview]) -> str:
    """The splits of one set for people."""
    first = next(iter(splits.values()))
    width = max(len(name) for name in (*first.labels, "texts, tokens")) + 2
    lines = [f"{'':<{width}}" + "".join(f"{split:>12}" for split in splits)]
    rows: dict[str, list[str]] = {"texts": [f"{len(each.targets):,}" for each in splits.values()]}
    for percentile in PERCENTILES:
        name = f"tokens, {percentile} %" if percentile < 100 else "tokens, most"
        rows[name] = [f"{np.percentile(each.lengths, percentile):.0f}" for each in splits.values()]
    for column, label in enumerate(first.labels):
        means = [each.targets[:, column].mean() for each in splits.values()]
        rows[label] = [f"{mean:.2f}" if first.rated else f"{mean:.1%}" for mean in means]
    if not first.rated:
        several = [float((each.targets.sum(axis=1) > 1).mean()) for each in splits.values()]
        rows["several labels"] = [f"{share:.1%}" for share in several]
    lines += [f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in cells) for name, cells in rows.items()]
    lines.append("most frequent: " + ", ".join(f"{word} {count}" for word, count in first.words))
    return "\n".join(lines)
