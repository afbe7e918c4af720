"""The model cards of text models; see `training.evaluation.card`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.inference.manifest import Manifest
from training.evaluation.speech_card import size_of

UNKNOWN = {
    "text-emotion": (
        "what a person feels: the labels are what up to five readers saw in a comment whose author they did not know, "
        "and they often disagreed",
        "other text than English comments on Reddit, whose writers are mostly young and male: transcripts of speech, "
        "letters, reports and poems were not measured",
        "irony, quotations, and what is said between the lines or with a picture",
        "other languages, which are answered with 'unsure' as far as their words are not English ones",
        "who writes, whether somebody lies, or how somebody is",
    ),
    "traits": (
        "what a person is like: it says how a text compares with those of some 2,500 students who answered a "
        "questionnaire about themselves, and is right little more often than a guess",
        "other text than essays in which American students of psychology wrote down for twenty minutes what came to "
        "their minds, in the 1990s and 2000s",
        "other languages, other ages, people for whom English is a second language",
        "whether somebody suits a job, a flat, a loan, a treatment or a partner",
    ),
}

LAW = {
    "text-emotion": (
        "What somebody typed is no biometric data, so that the EU's rules on systems that infer emotions from such "
        "data (AI Act, Articles 3(39) and 5(1)(f)) do not reach it. They do reach a voice, and to turn it into text "
        "first is no way around them. What somebody wrote is personal data all the same, often of the kinds that the "
        "GDPR protects most (Article 9): have a lawful reason, and tell those who wrote. Other countries have laws of "
        "their own."
    ),
    "traits": (
        "To infer people's personality is profiling under the GDPR (Article 4(4)): it needs a lawful reason, those "
        "concerned must be told, and no decision that matters to them may rest on it alone (Article 22). In the EU, "
        "systems that sort people who apply for work, or who work, are high-risk (AI Act, Annex III, point 4); social "
        "scores from inferred personality, and predictions of crimes from it alone, are prohibited (Article 5(1)(c) "
        "and (d)). This model was made for none of these. Other countries have laws of their own."
    ),
}


def text_lines(manifest: Manifest) -> Iterator[str]:
    """The card of a text emotion or a traits model, behind its limits."""
    yield "It cannot tell"
    yield ""
    unknown = UNKNOWN[manifest.task]
    yield from (f"- {each};" for each in unknown[:-1])
    yield f"- {unknown[-1]}."
    yield ""
    yield "## The law"
    yield ""
    yield LAW[manifest.task]
    yield ""
    yield from _file_lines(manifest)
    yield from _training_lines(manifest.training)
    if manifest.traits:
        yield from _band_lines(manifest)
    for split, entry in manifest.evaluation.items():
        yield from (_trait_lines(entry) if manifest.task == "traits" else _emotion_lines(split, entry))


def _file_lines(manifest: Manifest) -> Iterator[str]:
    text = manifest.text_input.text
    yield "## The file"
    yield ""
    yield f"- `{manifest.file}`: {size_of(manifest)}; sha256 `{manifest.sha256}`"
    pieces = f", and of pieces of words in {text.buckets:,} buckets" if text.buckets else ""
    yield f"- input: the numbers of {text.length} tokens, of {len(text.words):,} words{pieces}; lower case, English"
    rated = f", and ratings (1 to 5, less 3) of {', '.join(manifest.ratings)}" if manifest.ratings else ""
    yield f"- output: {manifest.output.dtype} logits of {', '.join(manifest.labels)}, each by itself{rated}"
    calibration = manifest.calibration
    if calibration.fitted_on:
        yield f"- calibration: temperature {calibration.temperature:.3f} (fitted on {calibration.fitted_on})"
    if calibration.unsure_below:
        yield f"- answers 'unsure' below {calibration.unsure_below:.3f}"
    quantization = manifest.quantization
    if agreement := quantization.get("agreement_on_validation"):
        yield (
            f"- quantisation: {quantization['method']}; on {agreement['samples']:,} validation texts it names first "
            f"what the float model names first in {agreement['top1']:.2%} of cases"
        )
    yield ""


def _training_lines(training: dict[str, Any]) -> Iterator[str]:
    yield "## Training data and recipe"
    yield ""
    yield f"- data: {training.get('data', 'not stated')}"
    if cleaning := training.get("cleaning"):
        yield (
            f"- of {cleaning['read']:,} texts, dropped: {cleaning['leaked']} whose tokens stand in validation or test "
            f"too, {cleaning['doubles']} doubles; {cleaning['kept']:,} kept"
        )
    if recipe := training.get("recipe"):
        yield f"- recipe `{recipe}`, seed {training.get('seed')}"
    yield ""


def _emotion_lines(split: str, entry: dict[str, Any]) -> Iterator[str]:
    protocol = entry["protocol"]
    yield f"## Figures on {split} ({protocol['data']['source']}, {entry['texts']:,} texts)"
    yield ""
    yield "| figure | value | 95 % interval |"
    yield "|---|---|---|"
    for name, key in (
        ("macro-F1", "macro_f1"),
        ("micro-F1", "micro_f1"),
        ("accuracy: the label named first is among the text's", "accuracy"),
        (f"the same, of the {entry['single_texts']:,} texts with one label", "single_accuracy"),
        ("exact match of all labels", "exact_match"),
    ):
        yield f"| {name} | {entry[key]:.4f} | {_interval(entry, key, 4)} |"
    yield f"| expected calibration error of the label named first | {entry['calibrated']['ece']:.4f} | |"
    yield f"| of all labels | {entry['calibrated']['label_ece']:.4f} | |"
    yield f"| Brier score, summed over the labels | {entry['calibrated']['brier']:.4f} | |"
    if unsure := entry.get("unsure"):
        yield f"| answered, the rest is 'unsure' | {unsure['coverage']:.4f} | |"
        if unsure["accuracy"] is not None:
            yield f"| accuracy of the answered | {unsure['accuracy']:.4f} | |"
    if beside := entry.get("float"):
        yield f"| float model's macro-F1 | {beside['float_macro_f1']:.4f} | |"
        yield f"| float model's accuracy | {beside['float_accuracy']:.4f} | |"
    yield ""
    yield "| label | present from | precision | recall | F1 | texts |"
    yield "|---|---|---|---|---|---|"
    for name, row in entry["per_label"].items():
        yield (
            f"| {name} | {row['threshold']:.3f} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | "
            f"{row['support']} |"
        )
    yield ""
    yield "| tokens | texts | accuracy | 95 % interval |"
    yield "|---|---|---|---|"
    for row in entry["lengths"]:
        yield f"| {row['tokens']} | {row['texts']} | {row['accuracy']:.3f} | {_interval(row, 'accuracy', 3)} |"
    yield ""
    if ratings := entry.get("ratings"):
        yield from _rating_lines(ratings)
    yield f"Intervals: {protocol['intervals']}."
    yield f"Protocol: `{protocol['command']}`, {protocol['runtime']}; {protocol['scored']}."
    yield ""


def _rating_lines(ratings: dict[str, Any]) -> Iterator[str]:
    source = ratings["protocol"]["source"]
    yield f"| rating, 1 to 5 ({source}, {ratings['texts']:,} texts) | Pearson's r | 95 % interval | mean abs. error |"
    yield "|---|---|---|---|"
    for name, row in ratings["per_rating"].items():
        correlation = "- |" if row["pearson"] is None else f"{row['pearson']:.3f} | {_interval(row, 'pearson', 3)}"
        yield f"| {name} | {correlation} | {row['mean_absolute_error']:.3f} |"
    yield ""


def _band_lines(manifest: Manifest) -> Iterator[str]:
    scores = manifest.traits
    assert scores is not None  # its caller's own check
    yield "## What a score was worth"
    yield ""
    yield (
        f"Texts below {scores.least_words} words are answered with 'too short'; those that this was measured on have "
        f"{scores.words_measured} words (median)."
    )
    yield ""
    yield "| trait | score | texts | of them above the middle | 95 % interval |"
    yield "|---|---|---|---|---|"
    for label, bands in scores.bands.items():
        for band in bands:
            yield (
                f"| {label} | {band.score_from:.0%} to {band.score_to:.0%} | {band.texts} | {band.share:.0%} | "
                f"{band.low:.0%} to {band.high:.0%} |"
            )
    yield ""


def _trait_lines(entry: dict[str, Any]) -> Iterator[str]:
    protocol = entry["protocol"]
    yield f"## Figures out of folds ({entry['texts']:,} essays)"
    yield ""
    yield "| trait | accuracy | 95 % interval | ROC-AUC | majority | p | baseline | p |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, row in entry["per_trait"].items():
        yield (
            f"| {name} | {row['accuracy']:.3f} | {_interval(row, 'accuracy', 3)} | {_number(row['roc_auc'])} | "
            f"{row['majority']:.3f} | {row['majority_p']:.3f} | {_number(row['baseline'])} | "
            f"{_number(row['baseline_p'])} |"
        )
    yield (
        f"| mean | {entry['accuracy']:.3f} | {_interval(entry, 'accuracy', 3)} | {_number(entry['roc_auc'])} | "
        f"{entry['majority']:.3f} | | {_number(entry['baseline'])} | |"
    )
    yield ""
    for what, key in (("above the majority", "above_majority"), ("above the baseline", "above_baseline")):
        if entry[key] is not None:
            low, high = (100 * each for each in entry[f"{key}_interval"])
            yield f"- {what}: {100 * entry[key]:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
    beside = entry["float"]
    low, high = (100 * each for each in beside["accuracy_difference_interval"])
    yield (
        f"- int8 less float: {100 * beside['accuracy_difference']:+.2f} points ({low:+.2f} to {high:+.2f}); float "
        f"{beside['float_accuracy']:.4f}"
    )
    yield ""
    yield "| cut to words | essays | accuracy | 95 % interval | lost beside whole essays |"
    yield "|---|---|---|---|---|"
    for row in entry["lengths"]:
        yield (
            f"| {row['words']} | {row['texts']} | {row['accuracy']:.3f} | {_interval(row, 'accuracy', 3)} | "
            f"{row['lost']:.3f} |"
        )
    yield ""
    if protocol["baseline"]:
        yield f"The baseline is {protocol['baseline']}, in the same folds."
    yield f"Intervals: {protocol['intervals']}; p: {protocol['p']}."
    yield f"Protocol: {protocol['scored']}."
    yield ""


def _interval(figures: dict[str, Any], key: str, places: int) -> str:
    low, high = figures[f"{key}_interval"]
    return f"{low:.{places}f} to {high:.{places}f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
