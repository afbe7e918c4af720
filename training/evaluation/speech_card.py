"""The model cards of a speech model's two files; see `training.evaluation.card`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from edge.inference.manifest import Manifest, SequenceInput, SpeechInput
from training.datasets.speech_corpora import CREMA_D, RAVDESS, SOUNDS

TERMS = {
    RAVDESS: "RAVDESS is under CC BY-NC-SA 4.0: name its authors, no commercial use without a licence from them, and "
    "what is made from it under the same terms",
    CREMA_D: "CREMA-D is under ODbL 1.0: name its authors, and share databases made from it under the same terms",
    SOUNDS: "ESC-10 is under CC BY 3.0: name its author and those of the clips",
}

UNKNOWN = (
    "what a person feels: actors were told what to play, and the labels are what they were told",
    "other speech than theirs: a few English sentences, spoken in studios in North America. The figures are of other "
    "speakers in the same studios with the same sentences; a room, a microphone or a language that was not heard in "
    "training costs more than they show",
    "spontaneous speech, children, singing, whispering, voices that are ill or impaired, several people at once",
    "who speaks, whether somebody lies, or how somebody is",
    "how the groups of speakers compare where their intervals overlap, or where there are few speakers: a figure of "
    "three people is one about these three",
)

LAW = (
    "A voice is biometric data. In the EU it is prohibited to infer emotions from it at work or in education, except "
    "for medical or safety reasons (AI Act, Article 5(1)(f)); elsewhere systems that recognise emotions are high-risk "
    "(Annex III, point 1(c)), and those who are exposed to one must be told (Article 50(3)). The GDPR applies too. "
    "Other countries have laws of their own."
)


def size_of(manifest: Manifest) -> str:
    """Bytes, parameters and cost of a model's file."""
    parts = (
        f"{manifest.size_bytes:,} bytes",
        f"{manifest.parameters:,} parameters" if manifest.parameters else "",
        f"{manifest.multiply_adds / 1e6:.1f} M multiply-adds" if manifest.multiply_adds else "",
    )
    return ", ".join(part for part in parts if part)


def speech_lines(manifest: Manifest) -> Iterator[str]:
    """The head's card, which speaks for both files."""
    entry = manifest.input
    assert isinstance(entry, SequenceInput)  # the manifest's own check
    yield "It cannot tell"
    yield ""
    yield from (f"- {each};" for each in UNKNOWN[:-1])
    yield f"- {UNKNOWN[-1]}."
    yield ""
    yield "## The law"
    yield ""
    yield LAW
    yield ""
    yield "## The files"
    yield ""
    yield (
        f"- `{manifest.file}`, over the last {entry.shape[1]} windows: {manifest.size_bytes:,} bytes, sha256 "
        f"`{manifest.sha256}`"
    )
    yield f"- its encoder, over each window: `speech-encoder/{entry.encoder}.tflite`, sha256 `{entry.encoder_sha256}`"
    if manifest.parameters and manifest.multiply_adds:
        yield (
            f"- both together: {manifest.parameters:,} parameters, {manifest.multiply_adds / 1e6:.1f} M multiply-adds "
            "for each answer"
        )
    yield f"- output: {manifest.output.dtype} logits of {', '.join(manifest.labels)}"
    calibration = manifest.calibration
    if calibration.fitted_on:
        yield (
            f"- calibration: temperature {calibration.temperature:.3f}; answers 'unsure' below "
            f"{calibration.unsure_below:.3f} (fitted on {calibration.fitted_on})"
        )
    quantization = manifest.quantization
    if agreement := quantization.get("agreement_on_validation"):
        yield (
            f"- quantisation: {quantization['method']}; on {agreement['samples']:,} validation recordings it names "
            f"what the float model names in {agreement['top1']:.2%} of cases"
        )
    yield ""
    yield from _training_lines(manifest.training)
    for split, each in manifest.evaluation.items():
        yield from _figure_lines(split, each)


def encoder_lines(manifest: Manifest) -> Iterator[str]:
    """The encoder's card, which points to the head's."""
    entry = manifest.input
    assert isinstance(entry, SpeechInput)  # the manifest's own check
    sound = entry.spectrogram
    yield (
        f"This is one half of a model: its figures, its data and their terms, and what the law says stand in the card "
        f"of the other half, `speech-emotion/{manifest.name}.md`."
    )
    yield ""
    yield "## The file"
    yield ""
    yield f"- `{manifest.file}`: {size_of(manifest)}; sha256 `{manifest.sha256}`"
    yield (
        f"- input: {sound.frames} frames of {sound.bands} mel bands, {sound.low_hz:g} to {sound.high_hz:g} Hz, of "
        f"sound at {sound.rate} Hz, one frame in {1000 * sound.hop / sound.rate:g} ms, {entry.dtype}"
    )
    yield f"- output: {manifest.output.shape[1]} numbers that only this half and the other one understand"
    yield f"- data: {manifest.training.get('data', 'not stated')}"
    yield ""


def _training_lines(training: dict[str, Any]) -> Iterator[str]:
    settings = training.get("settings", {})
    data = settings.get("data", {})
    yield "## Training data, their terms, and the recipe"
    yield ""
    yield f"- data: {training.get('data', 'not stated')}"
    yield "- the weights were made from these data and carry their terms:"
    yield from (f"  - {TERMS[corpus]}" for corpus in data.get("corpora", ()) if corpus in TERMS)
    if merged := data.get("merge"):
        yield f"- taken as one: {', '.join(f'{one} as {other}' for one, other in merged.items())}"
    for split in ("validation", "test"):
        if speakers := data.get(f"{split}_speakers"):
            yield f"- held out for {split}: {_by_corpus(speakers)}"
    if cleaning := training.get("cleaning"):
        yield (
            f"- of {cleaning['read']:,} recordings, left out: {len(cleaning['silent'])} silent, "
            f"{len(cleaning['contradictory'])} that stand under two emotions, {len(cleaning['doubles'])} doubles"
        )
    if recipe := training.get("recipe"):
        yield (
            f"- recipe `{recipe}`, seed {training.get('seed')}, epoch {training.get('kept_epoch')} of "
            f"{training.get('epochs')} kept by its unweighted average recall on the validation speakers"
        )
    yield ""


def _figure_lines(split: str, entry: dict[str, Any]) -> Iterator[str]:
    protocol = entry["protocol"]
    data = protocol["data"]
    yield (
        f"## Figures on {split} ({data['source']}: {entry['recordings']:,} recordings, {entry['speakers']} speakers "
        "who were not trained on)"
    )
    yield ""
    yield "| figure | value | 95 % interval |"
    yield "|---|---|---|"
    yield _figure_row("unweighted average recall (UAR)", entry, "unweighted_average_recall")
    if emotions := entry.get("emotions"):
        yield _figure_row("UAR of the emotions, on what is spoken", emotions, "unweighted_average_recall")
    yield _figure_row("accuracy", entry, "accuracy")
    yield f"| macro-F1 | {entry['macro_f1']:.4f} | |"
    yield f"| expected calibration error | {entry['calibrated']['ece']:.4f} | |"
    if unsure := entry.get("unsure"):
        yield f"| part of the named emotions that is not 'unsure' | {unsure['coverage']:.4f} | |"
        if unsure["accuracy"] is not None:
            yield f"| accuracy of these | {unsure['accuracy']:.4f} | |"
    if beside := entry.get("float"):
        yield f"| float model's UAR | {beside['float_unweighted_average_recall']:.4f} | |"
    yield ""
    yield "| class | precision | recall | F1 | recordings |"
    yield "|---|---|---|---|---|"
    for name, row in entry["per_class"].items():
        yield f"| {name} | {row['precision']:.3f} | {row['recall']:.3f} | {row['f1']:.3f} | {row['support']} |"
    yield ""
    yield "| corpus or group | recordings | speakers | UAR | 95 % interval | accuracy |"
    yield "|---|---|---|---|---|---|"
    rows = dict(entry["corpora"])
    rows |= {f"{group}: {value}": row for group, found in entry["groups"].items() for value, row in found.items()}
    for name, row in rows.items():
        yield (
            f"| {name}{' (too few to tell)' if row['too_few'] else ''} | {row['recordings']} | {row['speakers']} | "
            f"{row['unweighted_average_recall']:.3f} | {_interval(row['unweighted_average_recall_interval'], 3)} | "
            f"{row['accuracy']:.3f} |"
        )
    yield ""
    yield f"Intervals: {protocol['intervals']}. Sex is told by both corpora, the rest by CREMA-D."
    yield ""
    if listeners := entry.get("listeners"):
        yield (
            f"Listeners, by voice alone, on the same {listeners['recordings']:,} recordings of CREMA-D: what most of "
            f"them named is the acted emotion in {listeners['accuracy']:.1%} (UAR "
            f"{listeners['unweighted_average_recall']:.3f}; {listeners['ties']} ties count as wrong); what the model "
            f"names is in {listeners['model_accuracy']:.1%} (UAR {listeners['model_unweighted_average_recall']:.3f}). "
            "It has learnt how actors play these sentences, which the listeners had not: it does not understand people "
            "better than they do."
        )
        yield ""
    yield f"Protocol: `{protocol['command']}`, {protocol['runtime']}; {protocol['scored']}."
    yield ""


def _by_corpus(speakers: Iterable[str]) -> str:
    """'ravdess 3, 6; crema-d 1002' of 'ravdess 3', 'ravdess 6', 'crema-d 1002'."""
    found: dict[str, list[str]] = {}
    for speaker in speakers:
        corpus, _, name = speaker.rpartition(" ")
        found.setdefault(corpus, []).append(name)
    return "; ".join(f"{corpus} {', '.join(names)}" for corpus, names in found.items())


def _figure_row(title: str, figures: dict[str, Any], key: str) -> str:
    return f"| {title} | {figures[key]:.4f} | {_interval(figures[f'{key}_interval'], 4)} |"


def _interval(interval: list[float] | None, places: int) -> str:
    return f"{interval[0]:.{places}f} to {interval[1]:.{places}f}" if interval else ""
