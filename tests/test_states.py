"""How searches end, with a remedy for those that fail; phases are timed and logged."""

import logging
import subprocess
import sys
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from egem import EGEMClassifier, Training
from egem.data.cases import as_cases
from egem.ensemble.inversion import invert_now
from egem.ensemble.result import State
from helpers import QUICK, make_waves

BRIEF = QUICK | {"training": Training(n_updates=5), "views": ("recurrent",)}


@pytest.fixture(scope="module")
def quick(waves):
    return EGEMClassifier(**QUICK, align="start", views=("recurrent",), metric="mse").fit(
        *waves[:2]
    )


def with_broken_experts(clf, *which):
    """Experts whose output bias is out of range find no finite loss for any case."""
    experts = list(clf.model_.experts)
    for e in which:
        params = experts[e].params
        broken = params._replace(b_out=np.full_like(params.b_out, np.inf))
        experts[e] = experts[e]._replace(params=broken)
    other = copy(clf)
    other.model_ = replace(clf.model_, experts=tuple(experts))
    return other


def test_sound_searches_have_no_trouble(quick, waves):
    found = quick.invert(waves[2])
    assert set(np.unique(found.states)) <= {State.CONVERGED, State.UNFINISHED}
    assert ((found.states == "converged") == found.converged).all()
    assert len(found.undecided) == 0
    assert {"prepare", "search"} <= found.stats.keys() and min(found.stats.values()) >= 0


def test_unfinished_searches_come_with_the_argument_to_raise(quick, waves):
    hasty = invert_now(quick.model_, as_cases(waves[2]), among=True, max_steps=1)
    n = int((hasty.states == State.UNFINISHED).sum())
    assert n and hasty.troubles[0].startswith(f"{n} of {hasty.states.size} searches")
    assert "raise max_steps of search" in hasty.troubles[0]


def test_pairs_that_were_not_asked_for_are_left_out(quick, waves):
    among = np.zeros((len(waves[2]), 3), bool)
    among[:, 1] = True
    found = invert_now(quick.model_, as_cases(waves[2]), among=among)
    assert (found.states[:, [0, 2]] == "left out").all() and len(found.undecided) == 0
    assert (found.states[:, 1] != "left out").all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_expert_without_a_finite_loss_loses(quick, waves):
    found = with_broken_experts(quick, 0).invert(waves[2])
    assert (found.states[:, 0] == State.NOT_FINITE).all() and np.isinf(found.losses[:, 0]).all()
    assert (found.scores.argmin(axis=1) > 0).all()
    assert any("'down'" in trouble and "extreme values" in trouble for trouble in found.troubles)
    predicted = with_broken_experts(quick, 0).predict(waves[2])
    assert set(predicted) <= {"still", "up"}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_cases_without_a_finite_loss_are_a_state_of_invert_and_an_error_of_predict(quick, waves):
    broken = with_broken_experts(quick, 0, 1, 2)
    found = broken.invert(waves[2])
    assert found.undecided.tolist() == list(range(len(waves[2])))
    assert "scale it as the training cases were" in found.troubles[-1]
    for ask in (broken.predict, broken.predict_proba, broken.p_value, broken.predict_set):
        with pytest.raises(FloatingPointError, match="first case 0 of X; look at it for extreme"):
            ask(waves[2])


def test_fit_keeps_the_seconds_of_its_phases(quick):
    assert list(quick.fit_seconds_) == ["prepare", "calibrate", "train", "correct"]


def test_the_log_holds_fits_searches_and_files(tmp_path, caplog):
    X, y = make_waves(2, seed=3)
    with caplog.at_level(logging.DEBUG, "egem"):
        model = EGEMClassifier(**BRIEF).fit(X, y)
        model.predict(X)
        model.save(tmp_path / "m")
        EGEMClassifier.load(tmp_path / "m")
    lines = [f"{r.name}: {r.getMessage()}" for r in caplog.records if r.name.startswith("egem")]
    for beginning in (
        "egem.fit: fit: 3 classes, 6 cases",
        "egem.fit: fit: prepare ",
        "egem.ensemble.inversion: invert 6 cases: prepare ",
        "egem.io.model_file: wrote ",
        "egem.io.model_file: read ",
    ):
        assert any(line.startswith(beginning) for line in lines), beginning


SILENT = """
import numpy as np
from egem import EGEMClassifier, LSTMDecoder, Training
X = np.random.default_rng(0).normal(size=(4, 1, 12)).cumsum(axis=2)
clf = EGEMClassifier(decoder=LSTMDecoder(4), training=Training(n_updates=5), random_state=0)
clf.fit(X, [0, 1, 0, 1]).predict(X)
"""


def test_the_library_prints_nothing_unasked():
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
