"""The sets in public packages, and the rule that seals half of them."""

import importlib.util

import numpy as np
import pytest

import splits
from egem import DatasetUnavailable
from public_sets import LOOKED_AT, SETS, PublicSet, half, load


@pytest.mark.parametrize("name", SETS)
def test_an_installed_set_loads_with_consistent_shapes_and_finite_values(name):
    public = SETS[name]
    if importlib.util.find_spec(public.module) is None:
        pytest.skip(f"{public.package} is not installed")
    X, y = load(name)
    assert len(X) == len(y) and {x.shape[0] for x in X} == {X[0].shape[0]}
    assert all(x.ndim == 2 and np.isfinite(x).all() for x in X)
    classes, counts = np.unique(y, return_counts=True)
    assert len(classes) >= 2 and counts.min() >= 6


def test_the_rule_is_stable():
    assert half("Coffee") == "sealed" and half("Trace") == "development"
    sealed = {name for name in SETS if half(name) == "sealed"}
    assert sealed == {"Coffee", "PigCVP", "PLAID", "MinimalChinatown", "CoffeeSpectra"}


def test_sets_that_were_looked_at_are_development_sets():
    always = {"characters", "mnist", "pendigits", "JapaneseVowels", "GunPoint", "UnitTest"}
    assert always <= LOOKED_AT
    assert {half(name) for name in (*splits.LARGE, *splits.SMALL)} == {"development"}
    assert half("gestures_1") == half("streams_mouse") == "development"


def test_a_missing_package_is_named():
    absent = PublicSet("some-package", "no_module_of_this_name", lambda _: ([], np.array([])))
    with pytest.raises(DatasetUnavailable, match="pip install some-package"):
        absent()


def test_a_file_that_the_package_no_longer_carries_is_named(tmp_path, monkeypatch):
    (tmp_path / "emptied.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    emptied = SETS["Coffee"]._replace(package="emptied", module="emptied")
    with pytest.raises(DatasetUnavailable, match="Coffee_TRAIN"):
        emptied()


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="Coffee"):
        load("Tea")
