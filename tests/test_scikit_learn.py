"""scikit-learn's meta-estimators: what holds for which input, as the how-to's table says."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from egem import EGEMClassifier, Training

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "scikit-learn.md"
QUICK = EGEMClassifier(views=("linear",), random_state=0, n_jobs=1)

RNG = np.random.default_rng(0)
Y = np.repeat(["a", "b", "c"], 6)
WAVES = np.array([np.sin((1 + "abc".index(label)) * np.linspace(0, 6, 16)) for label in Y])
TABLE = WAVES + 0.2 * RNG.normal(size=WAVES.shape)
CHANNELS = np.stack([TABLE, -TABLE], axis=1)
FORMS = {
    "2-D": TABLE,
    "data frame": pd.DataFrame(TABLE, columns=[f"t{i}" for i in range(16)]),
    "3-D": CHANNELS,
    "list": [x[:, : 12 + i % 4] for i, x in enumerate(CHANNELS)],
}


def accuracy(estimator, X):
    """Fit, and check labels and probabilities of all cases."""
    fitted = clone(estimator).fit(X, Y)
    labels = fitted.predict(X)
    if hasattr(fitted, "predict_proba"):
        found = fitted.predict_proba(X)
        assert found.shape == (18, 3)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    assert len(labels) == 18
    return np.mean(labels == Y)


def split_and_score(X):
    X_train, X_test, y_train, y_test = train_test_split(X, Y, stratify=Y, random_state=0)
    return clone(QUICK).fit(X_train, y_train).score(X_test, y_test)


def grid_search(X):
    given = clone(QUICK).set_params(training=Training())
    grid = {"training__n_updates": [5, 10], "max_steps": [8, None]}
    found = GridSearchCV(given, grid, cv=2, n_jobs=2).fit(X, Y)
    assert found.best_estimator_.training.n_updates == found.best_params_["training__n_updates"]
    return found.best_score_


def calibrated_as_fitted(X):
    return accuracy(CalibratedClassifierCV(FrozenEstimator(clone(QUICK).fit(X, Y))), X)


def piped(step, output="default"):
    return make_pipeline(step, QUICK).set_output(transform=output)


def importance(X):
    found = permutation_importance(clone(QUICK).fit(X, Y), X, Y, n_repeats=2, random_state=0)
    assert found.importances_mean.shape == (16,)
    return 1.0


PAIR = [("first", QUICK), ("second", clone(QUICK).set_params(max_steps=8))]
AS_IT_IS = FunctionTransformer(validate=False)
META = {  # by their names in the table
    "clone": lambda X: accuracy(clone(clone(QUICK).fit(X, Y)), X),
    "train_test_split": split_and_score,
    "cross_val_score": lambda X: cross_val_score(QUICK, X, Y, cv=2).mean(),
    "cross_val_score, n_jobs=2": lambda X: cross_val_score(QUICK, X, Y, cv=2, n_jobs=2).mean(),
    "cross_val_predict": lambda X: np.mean(cross_val_predict(QUICK, X, Y, cv=2) == Y),
    "cross_validate": lambda X: cross_validate(
        QUICK, X, Y, cv=2, scoring=["accuracy", "neg_log_loss"]
    )["test_accuracy"].mean(),
    "learning_curve": lambda X: learning_curve(
        QUICK, X, Y, cv=2, train_sizes=[1.0], shuffle=True
    )[2].mean(),
    "GridSearchCV, n_jobs=2": grid_search,
    "RandomizedSearchCV": lambda X: RandomizedSearchCV(
        QUICK, {"max_steps": [8]}, n_iter=1, cv=2
    ).fit(X, Y).score(X, Y),
    "CalibratedClassifierCV": lambda X: accuracy(CalibratedClassifierCV(QUICK, cv=2), X),
    "CalibratedClassifierCV of a FrozenEstimator": calibrated_as_fitted,
    "VotingClassifier, soft": lambda X: accuracy(VotingClassifier(PAIR, voting="soft"), X),
    "StackingClassifier": lambda X: accuracy(StackingClassifier(PAIR, cv=2), X),
    "StackingClassifier, passthrough=True": lambda X: accuracy(
        StackingClassifier(PAIR, cv=2, passthrough=True), X
    ),
    "OneVsRestClassifier": lambda X: accuracy(OneVsRestClassifier(QUICK), X),
    "OneVsOneClassifier": lambda X: accuracy(OneVsOneClassifier(QUICK), X),
    "BaggingClassifier": lambda X: accuracy(
        BaggingClassifier(QUICK, n_estimators=2, random_state=0), X
    ),
    "Pipeline of FunctionTransformer": lambda X: accuracy(piped(AS_IT_IS), X),
    'the same, set_output(transform="pandas")': lambda X: accuracy(piped(AS_IT_IS, "pandas"), X),
    "Pipeline of StandardScaler": lambda X: accuracy(piped(StandardScaler()), X),
    'the same with set_output(transform="pandas")': lambda X: accuracy(
        piped(StandardScaler(), "pandas"), X
    ),
    "permutation_importance": importance,
}  # fmt: skip


def rows_of_the_page():
    """Return what the page says holds: names of meta-estimators, and one cell for each form."""
    table = PAGE.read_text().split("| scikit-learn |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()]
    return {re.sub("`", "", name): cells for name, *cells in rows[2:]}


def test_the_page_lists_them_all():
    assert list(rows_of_the_page()) == list(META)


@pytest.mark.filterwarnings("ignore:X does not have valid", "ignore:When `set_output` is")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", META)
def test_meta_estimators_hold_as_the_page_says(name, form):
    X = FORMS[form]
    holds = rows_of_the_page()[name][
        ("2-D", "3-D", "list").index(form.replace("data frame", "2-D"))
    ]
    if holds == "yes":
        with parallel_config(backend="threading"):  # processes: tests/test_host.py
            assert META[name](X) >= 0.8
    else:  # scikit-learn itself, which asks for 2-D arrays
        with pytest.raises((ValueError, TypeError), match=r"dim|inhomogeneous|sequence|2D"):
            META[name](X)


def weighted(estimator):
    return lambda X, w: estimator.fit(X, Y, sample_weight=w)


@pytest.mark.parametrize(
    "fit",
    [
        weighted(clone(QUICK)),
        weighted(VotingClassifier(PAIR, voting="soft")),
        weighted(StackingClassifier(PAIR, cv=2)),
        weighted(OneVsRestClassifier(QUICK)),
        lambda X, w: piped(AS_IT_IS).fit(X, Y, egemclassifier__sample_weight=w),
        lambda X, w: cross_val_score(
            QUICK, X, Y, cv=2, params={"sample_weight": w}, error_score="raise"
        ),
    ],
)
def test_weights_of_cases_are_refused(fit):
    with pytest.raises((TypeError, ValueError), match=r"sample.weight|keyword"):
        fit(TABLE, np.ones(18))


def test_weights_count_in_the_score():
    fitted = clone(QUICK).fit(TABLE, Y)
    wrong = np.where(np.arange(18) == 0, "b", fitted.predict(TABLE))
    weights = np.where(np.arange(18) == 0, 17.0, 1.0)
    assert fitted.score(TABLE, wrong, sample_weight=weights) == pytest.approx(0.5)
