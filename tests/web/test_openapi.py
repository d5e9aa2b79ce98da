"""The API does what its description says, whatever it is asked."""

from collections import Counter
from contextlib import suppress

import httpx
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from egem import EGEMClassifier
from egem.apps.web.guard import Limits
from egem.apps.web.models import training
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.models.strokes import FRAME, PenPath
from helpers import QUICK
from pens import symbols
from serving import PATIENCE, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
AT_EASE = settings(deadline=None, suppress_health_check=list(HealthCheck))
NAMES = ["spiral", "zigzag"]
MINE = {"Cookie": f"egem={'a' * 22}"}  # one workspace, or every request would begin its own


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A server whose workspaces begin with two symbols, trained briefly."""
    clf = EGEMClassifier(**QUICK, scaling=FRAME, augment="pen", align="start")
    cases = [PenPath.of(*m.tolist()).case() for name in NAMES for m in symbols(name, 4)]
    beginning = Snapshot(clf.fit(np.stack(cases), np.repeat(NAMES, 4)))
    folder, limits = tmp_path_factory.mktemp("asked"), Limits(rate=1e6, burst=10**6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "N_UPDATES", QUICK["training"].n_updates)
        with serving(folder, initial=beginning, limits=limits) as address:
            yield address


@pytest.fixture(scope="module")
def description(asked):
    return schemathesis.openapi.from_url(f"{asked}/openapi.json")


def ask(description, n_questions: int) -> Counter[int]:
    """Ask every operation so many questions of each kind; returns the answers' statuses."""
    statuses: Counter[int] = Counter()
    for found in description.get_all_operations():
        for mode, changed in (
            (GenerationMode.POSITIVE, sensible),
            (GenerationMode.POSITIVE, as_it_is),
            (GenerationMode.NEGATIVE, as_it_is),
        ):
            cases = found.ok().as_strategy(generation_mode=mode)

            @settings(AT_EASE, max_examples=n_questions)
            @given(case=cases.map(changed))
            def question(case):
                answer = case.call(headers=MINE, timeout=PATIENCE)
                statuses[answer.status_code] += 1
                case.validate_response(answer, checks=CHECKS)

            # There is no wrong way to ask for the state.
            with suppress(*[Unsatisfiable] if mode is GenerationMode.NEGATIVE else []):
                question()
    return statuses


def as_it_is(case):
    return case


def sensible(case):
    """Ask about a class that may be there, and with strokes that hold together."""
    if "label" in case.path_parameters:
        case.path_parameters["label"] = NAMES[len(case.path_parameters["label"]) % 2]
    body = case.body if isinstance(case.body, dict) else {}
    if body.get("label"):
        body["label"] = NAMES[len(body["label"]) % 2]
    for stroke in [*body.get("strokes", ()), *([body["stroke"]] if "stroke" in body else ())]:
        n = min(len(stroke["x"]), len(stroke["y"]))
        x = [place + value % 1.0 for place, value in enumerate(stroke["x"][:n])]
        y = [value % 1.0 for value in stroke["y"][:n]]
        stroke |= {"x": [*x, n + 1.0], "y": [*y, 0.5], "t": None, "lifts": []}
    return case


@pytest.mark.slow
def test_whatever_it_is_asked_five_thousand_times(description):
    statuses = ask(description, 120)
    assert {200, 202, 404, 409, 422} <= set(statuses)
    assert statuses.total() > 5000


def test_the_description_is_complete(asked):
    description = httpx.get(f"{asked}/openapi.json").json()
    operations = [o for path in description["paths"].values() for o in path.values()]
    assert len(operations) == 23
    for operation in operations:
        assert operation["tags"] and operation["description"]
        refused = operation["responses"]["422"]["content"]["application/json"]["schema"]
        assert refused["$ref"].endswith("/ErrorResponse")
    assert "HTTPValidationError" not in description["components"]["schemas"]
