"""TF-IDF of words and pairs of words and a logistic regression for each label, by scikit-learn, fitted beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np


def prepare(values: dict[str, Any]) -> dict[str, Any]:
    """Fit on the texts of a JSON file, {"texts", "labels", "targets"}, and write what `load` reads."""
    given = json.loads(Path(values["texts"]).read_text(encoding="utf-8"))
    linear, joblib = import_module("sklearn.linear_model"), import_module("joblib")
    pipeline = import_module("sklearn.pipeline").make_pipeline(
        import_module("sklearn.feature_extraction.text").TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        import_module("sklearn.multiclass").OneVsRestClassifier(linear.LogisticRegression(solver="liblinear")),
    )
    pipeline.fit(given["texts"], np.array(given["targets"]))
    joblib.dump({"pipeline": pipeline, "labels": given["labels"]}, values["to"])
    return {"texts": len(given["texts"]), "terms": len(pipeline[0].vocabulary_)}


def load(settings: dict[str, Any]) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    """What `prepare` wrote."""
    fitted = import_module("joblib").load(settings["files"]["tfidf.joblib"])
    labels, predict = fitted["labels"], fitted["pipeline"].predict_proba

    def answer(text: str, about: dict[str, Any]) -> dict[str, Any]:
        del about
        return {"found": 1, "label": labels[int(np.argmax(predict([text])[0]))]}

    return answer
