"""The speech model's run, from the data folder to the float model."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from sklearn.metrics import recall_score

from edge.errors import DataError
from edge.features.logmel import LogMelSettings
from training.architectures.speech_net import SpeechNet, build_speech_net
from training.datasets.speech_batches import SpeechBatches, clip_windows
from training.datasets.speech_corpora import DATA_TERMS, SOUNDS, of_corpora, read_clips
from training.datasets.speech_spectra import Cleaning, Spectrum, read_spectra
from training.evaluation.metrics import negative_log_likelihood
from training.fit import Progress, fit
from training.losses import weighted_cross_entropy
from training.recipe import SpeechRecipe
from training.recipe_parts import SpeechData, SpeechFeatures

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]

LIMITS = (
    "Names the emotion that a voice seems to act, as actors spoke a dozen English sentences in a studio; it does not "
    "tell what a person feels. Listeners agree with CREMA-D's acted emotion by voice alone in 41.6 % of the clips. "
    "Other languages, children, spontaneous speech, several voices at once and loud surroundings are read less well. "
    "In the EU it is prohibited to infer emotions from biometrics at work or in education (AI Act, Article 5(1)(f)); "
    "who is exposed to such a system elsewhere must be told (Article 50(3)). Not for decisions about people."
)


@dataclass(frozen=True)
class SpeechValidation:
    """Recordings that choose among epochs."""

    windows: FloatArray
    """(n, windows, frames, bands), normalised."""
    labels: npt.NDArray[np.int64]

    metric = "unweighted average recall"

    def score(self, model: keras.Model) -> tuple[float, float]:
        """Unweighted average recall, 0 to 1, and mean cross-entropy in nats."""
        logits = np.asarray(model.predict(self.windows, batch_size=128, verbose=0))
        return unweighted_recall(logits, self.labels), negative_log_likelihood(logits, self.labels)


def unweighted_recall(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> float:
    """Mean of the classes' recalls (UAR), 0 to 1: each class counts the same, however many clips it has."""
    return float(recall_score(labels, logits.argmax(axis=1), average="macro", zero_division=0))


@dataclass(frozen=True)
class SpeechSplits:
    """Recordings by who speaks them; of sounds, by their fold."""

    train: list[Spectrum]
    validation: list[Spectrum]
    test: list[Spectrum]
    settings: LogMelSettings
    cleaning: Cleaning


def label_of(spectrum: Spectrum, data: SpeechData) -> str | None:
    """The label that a recording has in a recipe; None for one that it leaves out."""
    emotion = data.merge.get(spectrum.clip.emotion, spectrum.clip.emotion)
    return emotion if emotion in data.labels else None


def taken(spectra: Sequence[Spectrum], data: SpeechData) -> list[Spectrum]:
    """The recordings that have a label in a recipe; whole where it does not trim them."""
    labelled = [each for each in spectra if label_of(each, data) is not None]
    return labelled if data.trim else [replace(each, begin=0, end=len(each.decibels)) for each in labelled]


def labels_of(spectra: Sequence[Spectrum], data: SpeechData) -> npt.NDArray[np.int64]:
    """(n,) numbers of the recordings' labels; raises ValueError for one that has none in the recipe."""
    return np.array([data.labels.index(label_of(each, data) or "") for each in spectra], np.int64)


def settings_of(features: SpeechFeatures) -> LogMelSettings:
    """The spectrogram that a recipe asks for; mean and deviation of 'fixed' are set by `split`."""
    return LogMelSettings(bands=features.bands, normalization=features.normalization)


def read(folder: Path, recipe: SpeechRecipe, *, progress: bool) -> tuple[list[Spectrum], Cleaning]:
    """All recordings of the recipe's corpora as spectrograms; raises `DataError`."""
    clips = of_corpora(read_clips(folder), recipe.data.corpora, folder)
    return read_spectra(clips, settings_of(recipe.features), progress=progress)


def split(spectra: Sequence[Spectrum], cleaning: Cleaning, recipe: SpeechRecipe) -> SpeechSplits:
    """Divide recordings by speaker; nothing of the validation and test speakers is used in training.

    Raises
    ------
    DataError
        A part is empty, or a speaker that the recipe names does not exist.
    """
    data = recipe.data
    used = taken([each for each in spectra if each.clip.corpus in data.corpora], data)
    known = {each.clip.speaker for each in used}
    if missing := sorted((set(data.test_speakers) | set(data.validation_speakers)) - known):
        raise DataError(f"recipe '{recipe.name}': no recordings of {', '.join(missing)}")
    if both := sorted(set(data.test_speakers) & set(data.validation_speakers)):
        raise DataError(f"recipe '{recipe.name}': {', '.join(both)} cannot both choose among epochs and be the test")
    parts: dict[str, list[Spectrum]] = {"train": [], "validation": [], "test": []}
    for each in used:
        speaker = each.clip.speaker
        name = "test" if speaker in data.test_speakers else "train"
        parts["validation" if speaker in data.validation_speakers else name].append(each)
    if not parts["train"]:
        raise DataError(f"recipe '{recipe.name}': no speaker is left to train on")
    return SpeechSplits(**parts, settings=_measured(settings_of(recipe.features), parts["train"]), cleaning=cleaning)


def _measured(settings: LogMelSettings, training: Sequence[Spectrum]) -> LogMelSettings:
    """'fixed' takes mean and deviation of the training speakers' voices."""
    if settings.normalization == "window":
        return settings
    frames = np.concatenate([each.spoken for each in training if each.clip.corpus != SOUNDS])
    return replace(settings, mean=round(float(frames.mean()), 3), deviation=round(float(frames.std()), 3))


def validation_of(splits: SpeechSplits, spectra: Sequence[Spectrum], recipe: SpeechRecipe) -> SpeechValidation:
    """Recordings as the network takes them."""
    windows = np.stack([clip_windows(each, recipe.network.windows, splits.settings) for each in spectra])
    return SpeechValidation(windows, labels_of(spectra, recipe.data))


def targets_of(splits: SpeechSplits, recipe: SpeechRecipe) -> FloatArray:
    """(n, classes) one-hot labels of the training recordings, smoothed, classes weighted to count the same."""
    classes = len(recipe.data.labels)
    labels = labels_of(splits.train, recipe.data)
    smoothed = (1 - recipe.label_smoothing) * np.eye(classes, dtype=np.float32)[labels]
    smoothed += recipe.label_smoothing / classes
    of_corpus = Counter(each.clip.corpus for each in splits.train)
    most = recipe.data.most_each_epoch
    share = {corpus: min(1.0, most.get(corpus, count) / count) for corpus, count in of_corpus.items()}
    # As an epoch has them, on average.
    counts = np.bincount(labels, [share[each.clip.corpus] for each in splits.train], classes)
    if not counts.all():
        raise DataError(
            f"recipe '{recipe.name}': no recording of {recipe.data.labels[int(counts.argmin())]} to train on"
        )
    weight = counts.sum() / classes / counts
    result: FloatArray = (smoothed * weight[labels][:, None]).astype(np.float32)
    return result


def data_terms(recipe: SpeechRecipe) -> str:
    """Names and terms of the recipe's data."""
    return "; ".join(DATA_TERMS[corpus] for corpus in recipe.data.corpora)


def train_float(
    recipe: SpeechRecipe, splits: SpeechSplits, out: Path, *, start: Path | None = None, progress: bool
) -> tuple[SpeechNet, Progress]:
    """Train the float model, or go on where an earlier run in `out` was stopped.

    Parameters
    ----------
    start
        A .keras file whose encoder and LSTM layers the weights begin with; its labels may be others.

    Returns
    -------
    net
        With the weights that did best on the validation speakers.
    progress
        Of the run.
    """
    keras.utils.set_random_seed(recipe.seed)
    net = build_speech_net(recipe.network, splits.settings, classes=len(recipe.data.labels))
    if start is not None:
        begin_with(net, start)
    validation = validation_of(splits, splits.validation, recipe)
    batches = speech_batches(recipe, splits, seed=recipe.seed)
    state = fit(
        net.full,
        batches,
        validation,
        recipe.schedule,
        loss=weighted_cross_entropy,
        recipe=recipe.model_dump(mode="json", exclude={"further", "quantization", "version"}),
        checkpoint=out / "checkpoint.npz",
        progress=progress,
    )
    return net, state


def speech_batches(recipe: SpeechRecipe, splits: SpeechSplits, *, seed: int) -> SpeechBatches:
    """The training recordings as batches."""
    return SpeechBatches(
        splits.train,
        targets_of(splits, recipe),
        [each for each in splits.train if each.clip.corpus == SOUNDS],
        recipe.augmentation,
        splits.settings,
        windows=recipe.network.windows,
        batch_size=recipe.schedule.batch_size,
        seed=seed,
        most=recipe.data.most_each_epoch,
    )


def begin_with(net: SpeechNet, path: Path) -> None:
    """Copy the weights of another run's model, except those of the last layer where its labels differ.

    Raises
    ------
    DataError
        No such file, not a speech model, or one of another shape.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such model to begin with; first  affect-edge train {path.stem} --data DIR")
    try:
        other = keras.models.load_model(path, compile=False)
        parts = {model: other.get_layer(model.name) for model in (net.encoder, net.head)}
        weights = {
            layer: part.get_layer(layer.name).get_weights() for model, part in parts.items() for layer in model.layers
        }
    except Exception as error:  # a zip may break in many ways
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be begun with: {reason}; train it again") from None
    for model in parts:
        for layer in model.layers:
            theirs = weights[layer]
            if [each.shape for each in theirs] == [each.shape for each in layer.get_weights()]:
                layer.set_weights(theirs)
            elif layer.name != "logits":
                raise DataError(f"{path}: its layer '{layer.name}' has another shape; train it with the same network")
