"""All systems: what each is, where it comes from, what it needs, and what it was trained on."""

from __future__ import annotations

from typing import Final

from benchmarks.peers.detection_systems import DETECTION, LANDMARKS
from benchmarks.peers.expression_systems import EXPRESSION
from benchmarks.peers.system import OURS, PeerFile, System

SPEECH: Final[tuple[System, ...]] = (
    System(
        name="affect-edge speech",
        job="speech",
        adapter="affect_edge_speech.py",
        environment="affect-edge",
        module="edge",
        distributions=("affect-edge",),
        what="its microphone path: it keeps what it has computed of the sound before",
        licence=OURS,
        trained_on="RAVDESS and CREMA-D; see the model's card",
        on_test_data="it is not scored here: see `affect-edge evaluate`",
    ),
    System(
        name="librosa and CNN-LSTM",
        job="speech",
        adapter="librosa_cnn_lstm.py",
        environment="librosa",
        module="librosa",
        distributions=("librosa", "tensorflow"),
        what="log-mel of the last three seconds, then Keras `predict`, at every half second (Zhao et al. 2019)",
        origin="written here after the paper: there is no package of it",
        licence="librosa: ISC; TensorFlow and Keras: Apache-2.0",
        trained_on="nothing: its weights are random, unless speech_cnn_lstm.keras is named",
        on_test_data="no; it is not scored",
        files=(PeerFile("speech_cnn_lstm.keras", "trained by whoever names it", optional=True),),
    ),
)

TEXT: Final[tuple[System, ...]] = (
    System(
        name="affect-edge text",
        job="text",
        adapter="affect_edge_text.py",
        environment="affect-edge",
        module="edge",
        distributions=("affect-edge",),
        what="its text model",
        licence=OURS,
        trained_on="GoEmotions; see the model's card",
        on_test_data="it is not scored here: see `affect-edge evaluate`",
    ),
    System(
        name="TF-IDF",
        job="text",
        adapter="tfidf.py",
        environment="scikit-learn",
        module="sklearn",
        distributions=("scikit-learn",),
        what="TF-IDF of words and pairs and a logistic regression for each label, by scikit-learn",
        origin="fitted here at each run, on GoEmotions' training comments or on made-up sentences",
        licence="BSD-3-Clause",
        trained_on="what the run tells",
        on_test_data="no; it is not scored here: see `affect-edge baseline tfidf`",
    ),
)

SYSTEMS: Final = EXPRESSION + LANDMARKS + DETECTION + SPEECH + TEXT
"""In the order of the tables; of each job affect-edge's own come first."""
