"""Classification of finished and growing drawings."""

import numpy as np
import pytest

from egem.apps.web.errors import ApiError
from egem.apps.web.models.recognition import classify, search_lengths
from egem.apps.web.models.snapshot import Snapshot, normalised
from egem.apps.web.models.strokes import N_POINTS, PenPath
from egem.apps.web.models.training import new_classifier
from egem.apps.web.requests import Stroke
from pens import PAD, stroke_of, symbols


def drawing_of(movement, share=1.0):
    return Stroke.model_validate(stroke_of(movement, share))


def model_of(names):
    cases, labels, drawings = [], [], {}
    for name in names:
        made = [normalised(s.x, s.y, s.lifts) for s in map(drawing_of, symbols(name, 4))]
        cases += [case for case, _ in made]
        labels += [name] * len(made)
        drawings[name] = tuple(drawing for _, drawing in made)
    clf = new_classifier()
    return Snapshot(clf.fit(np.stack(cases), labels), drawings)


@pytest.fixture(scope="module")
def two():
    return model_of(["spiral", "zigzag"])


def test_finished_drawings_are_recognised(two):
    right = [
        classify(two, drawing_of(movement), True).ranking[0].label == name
        for name in ("spiral", "zigzag")
        for movement in symbols(name, 14)[4:]
    ]
    assert sum(right) >= 18


def test_a_finished_verdict_is_the_library_s(two):
    stroke = drawing_of(symbols("zigzag", 6)[5])
    found = classify(two, stroke, True)
    case = PenPath.of(stroke.x, stroke.y).case()[None]
    clf = two.classifier
    chances = clf.predict_proba(case)[0]
    assert [r.label for r in found.ranking] == clf.classes_[np.argsort(-chances)].tolist()
    assert [r.probability for r in found.ranking] == pytest.approx(sorted(chances)[::-1], abs=1e-3)
    assert found.p_value == pytest.approx(clf.p_value(case)[0], rel=1e-2)
    assert found.done and found.unknown is False


def test_imaginations_lie_over_the_ink_and_heat_along_it(two):
    stroke = drawing_of(symbols("zigzag", 6)[5])
    found = classify(two, stroke, True)
    best = found.ranking[0]
    ink, length = np.array([stroke.x, stroke.y]), PenPath.of(stroke.x, stroke.y).length
    imagined = np.array([best.imagined.x, best.imagined.y])
    assert imagined.shape == (2, N_POINTS) and best.ahead_from == N_POINTS
    assert _distance(imagined, ink).mean() < 0.02 * length
    assert _distance(np.array([found.heat.x, found.heat.y]), ink).max() < 0.02 * length
    assert sum(found.heat.share) == pytest.approx(1.0) and min(found.heat.share) >= 0
    assert [each.label for each in found.neighbours] == ["zigzag"] * 4
    assert sorted(each.case for each in found.neighbours) == [0, 1, 2, 3]


def test_a_nearby_training_case_is_named_first(two):
    for case, movement in enumerate(symbols("spiral", 4)):
        assert classify(two, drawing_of(movement), True).neighbours[0].case == case


@pytest.mark.parametrize("name", ["spiral", "zigzag"])
def test_half_a_drawing_is_recognised_and_continued(two, name):
    right, away = [], []
    for movement in symbols(name, 10)[4:]:
        found = classify(two, drawing_of(movement, 0.5), False)
        best = found.ranking[0]
        right.append(best.label == name)
        assert sum(r.probability for r in found.ranking) == pytest.approx(1.0)
        assert 1 < best.ahead_from < N_POINTS and not found.done
        whole = PAD[0] * movement + PAD[1]
        imagined = np.array([best.imagined.x, best.imagined.y])
        length = PenPath.of(*whole.tolist()).length
        away.append(_distance(imagined, whole).mean() / length)
        behind = imagined[:, : best.ahead_from]
        ink = np.array([*map(np.array, (drawing_of(movement, 0.5).x, drawing_of(movement, 0.5).y))])
        assert _distance(behind, ink).mean() < 0.03 * length
    assert sum(right) >= 5
    assert np.median(away) < 0.05


def test_what_is_ahead_shrinks_while_the_pen_goes_on(two):
    movement = symbols("zigzag", 5)[4]
    reached = [
        classify(two, drawing_of(movement, share), False).ranking[0].ahead_from
        for share in (0.3, 0.5, 0.7, 0.9)
    ]
    assert reached == sorted(reached) and reached[0] < reached[-1]


def test_each_class_is_scored_at_its_best_length(two):
    movement = symbols("spiral", 5)[4]
    path = PenPath.of(*(PAD[0] * movement[:, :20]).tolist())
    found = search_lengths(two, two.classifier, path)
    whole = PenPath.of(*(PAD[0] * movement).tolist()).length
    spiral = two.labels.index("spiral")
    assert found.energies.argmin() == spiral
    assert found.lengths[spiral] == pytest.approx(whole, rel=0.35)
    assert (found.lengths >= path.length).all()


def test_size_and_place_of_a_finished_drawing_do_not_count(two):
    movement = symbols("zigzag", 5)[4]
    usual = classify(two, drawing_of(movement), True)
    small = classify(
        two, Stroke(x=(5 + movement[0] / 9).tolist(), y=(movement[1] / 9).tolist()), True
    )
    assert [r.label for r in small.ranking] == [r.label for r in usual.ranking]
    assert small.p_value == pytest.approx(usual.p_value, rel=1e-2)


def test_without_a_class_there_is_nothing_to_rank():
    for done in (False, True):
        found = classify(Snapshot(), drawing_of(symbols("zigzag", 1)[0]), done)
        assert found.ranking == [] and found.unknown is None and found.done is done


def test_one_class_knows_its_own_and_rejects_others():
    one = model_of(["zigzag"])
    known = [classify(one, drawing_of(m), True) for m in symbols("zigzag", 12)[4:]]
    other = [classify(one, drawing_of(m), True) for m in symbols("spiral", 8)]
    assert all(v.ranking[0].probability == 1.0 for v in known)
    assert sum(v.unknown for v in known) <= 1
    assert all(v.unknown for v in other)
    growing = classify(one, drawing_of(symbols("zigzag", 1)[0], 0.5), False)
    assert [r.label for r in growing.ranking] == ["zigzag"]


def test_one_drawing_cannot_reject_unknowns():
    path = symbols("zigzag", 1)
    case, drawing = normalised(
        *drawing_of(path[0]).model_dump(include={"x", "y", "lifts"}).values()
    )
    clf = new_classifier().set_params(training__n_updates=100).fit(case[None], ["zigzag"])
    found = classify(
        Snapshot(clf, {"zigzag": (drawing,)}), drawing_of(symbols("spiral", 1)[0]), True
    )
    assert found.unknown is None and found.p_value == 1.0


def test_a_dot_says_nothing_until_it_is_done(two):
    dot = Stroke(x=[0.5, 0.5], y=[0.5, 0.5])
    assert classify(two, dot, False).ranking == []
    with pytest.raises(ApiError, match="dot"):
        classify(two, dot, True)


def _distance(points, ink):
    """Distance of each point from the polyline of the ink."""
    dense = np.stack(
        [np.interp(np.linspace(0, 1, 2000), np.linspace(0, 1, ink.shape[1]), r) for r in ink]
    )
    return np.hypot(*(points[:, :, None] - dense[:, None, :])).min(axis=1)
