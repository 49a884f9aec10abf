"""Cases that schemathesis draws from the OpenAPI document, good and bad, are answered and never break the endpoint.

``SHOPLOOP_CASES=10000 make test TESTS=tests/serving/test_openapi_cases.py`` draws so many in all.
"""

import os
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from serving import pages
from serving.routes import ROUTES, Route
from tests.conftest import STORES
from tests.serving.conftest import on_each_store
from tests.serving.plane_under_test import ADMIN_TOKEN, Plane

SCHEMA = schemathesis.openapi.from_dict(pages.openapi())
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
DRAWN = [route for route in ROUTES if route.request is not None or route.query is not None or route.parameter]
CASES = int(os.environ.get("SHOPLOOP_CASES", "600")) // (len(DRAWN) * len(MODES) * len(STORES)) + 1
KNOWN = {200, 400, 404, 405, 408, 413, 415}


@on_each_store
@pytest.mark.parametrize("mode", MODES, ids=["as the document says", "otherwise"])
@pytest.mark.parametrize("route", DRAWN, ids=[route.handler for route in DRAWN])
def test_cases__get_an_answer_that_is_no_defect(plane: Plane, route: Route, mode: GenerationMode) -> None:
    cases = SCHEMA[route.path][route.method].as_strategy(generation_mode=mode)
    seen: set[int] = set()

    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def ask(case: Any) -> None:
        case.headers = {
            name: value for name, value in (case.headers or {}).items() if name.lower() == "content-type"
        }
        case.headers["Authorization"] = f"Bearer {ADMIN_TOKEN}"
        answer = case.call(base_url=f"http://127.0.0.1:{plane.port}", session=session, timeout=20)
        seen.add(answer.status_code)
        assert answer.status_code in KNOWN | ({409} & set(route.refusals)), (
            case.as_curl_command(),
            answer.text,
        )
        if answer.status_code >= 400:
            told = answer.json()
            assert {"error", "message", "request_id"} <= set(told)

    with requests.Session() as session:
        session.trust_env = False
        ask()
    if mode is GenerationMode.POSITIVE:
        assert 200 in seen
    assert plane.ask("GET", "/readyz")[0] == 200
    assert "failed" not in plane.log
