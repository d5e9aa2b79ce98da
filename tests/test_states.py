"""How searches ended is part of what they bring, with a remedy; phases are timed and logged."""

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from egem import EGEMClassifier
from egem.ensemble.result import State
from helpers import QUICK, make_waves


@pytest.fixture(scope="module")
def quick(waves):
    return EGEMClassifier(**QUICK, align="start", metric="mse").fit(*waves[:2])


def with_broken_experts(model, *which):
    """Experts whose output bias is out of range find no finite loss for any case."""
    trained = list(model.ensemble_.trained)
    for e in which:
        expert = trained[e].expert
        broken = expert._replace(b_out=np.full_like(expert.b_out, np.inf))
        trained[e] = trained[e]._replace(expert=broken)
    other = EGEMClassifier(**model.get_params())
    vars(other).update(vars(model))
    other.ensemble_ = replace(model.ensemble_, trained=tuple(trained))
    return other


def test_sound_searches_have_no_trouble(quick, waves):
    found = quick.invert(waves[2])
    assert set(np.unique(found.states)) <= {State.CONVERGED, State.UNFINISHED}
    assert ((found.states == "converged") == found.converged).all()
    assert len(found.undecided) == 0
    assert {"prepare", "search"} <= found.stats.keys() and min(found.stats.values()) >= 0


def test_searches_that_do_not_end_say_what_to_raise(quick, waves):
    hasty = quick.glance(waves[2], n_iterations=1)
    n = int((hasty.states == State.UNFINISHED).sum())
    assert n and hasty.troubles[0].startswith(f"{n} of {hasty.states.size} searches")
    assert "raise n_iterations" in hasty.troubles[0]


def test_what_was_not_asked_for_is_said_to_be_left_out(quick, waves):
    among = np.zeros((len(waves[2]), 3), bool)
    among[:, 1] = True
    found = quick.glance(waves[2], among=among)
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
def test_cases_that_no_expert_meets_are_a_state_of_invert_and_an_error_of_predict(quick, waves):
    broken = with_broken_experts(quick, 0, 1, 2)
    found = broken.invert(waves[2])
    assert found.undecided.tolist() == list(range(len(waves[2])))
    assert "scale it as the training cases were" in found.troubles[-1]
    for ask in (broken.predict, broken.predict_proba, broken.novelty, broken.predict_set):
        with pytest.raises(FloatingPointError, match="first case 0 of X; look at it for extreme"):
            ask(waves[2])


def test_fit_tells_what_its_phases_took(quick):
    assert list(quick.fit_seconds_) == ["prepare", "train", "measure", "compare"]


def test_the_log_tells_of_fits_searches_and_files(tmp_path, caplog):
    X, y = make_waves(2, seed=3)
    with caplog.at_level(logging.DEBUG, "egem"):
        model = EGEMClassifier(n_cells=4, n_updates=5, metric="mse", random_state=0).fit(X, y)
        model.predict(X)
        model.save(tmp_path / "m")
        EGEMClassifier.load(tmp_path / "m")
    told = [f"{r.name}: {r.getMessage()}" for r in caplog.records if r.name.startswith("egem")]
    for beginning in (
        "egem.classifier: fit: 3 classes, 6 cases",
        "egem.classifier: fit: prepare ",
        "egem.inverting: invert 6 cases: prepare ",
        "egem.io.model_file: wrote ",
        "egem.io.model_file: read ",
    ):
        assert any(line.startswith(beginning) for line in told), beginning


SILENT = """
import numpy as np
from egem import EGEMClassifier
X = np.random.default_rng(0).normal(size=(4, 1, 12)).cumsum(axis=2)
EGEMClassifier(n_cells=4, n_updates=5, metric="mse", random_state=0).fit(X, [0, 1, 0, 1]).predict(X)
"""


def test_the_library_prints_nothing_of_its_own_accord():
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
