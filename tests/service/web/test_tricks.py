"""What an attacker sends: odd paths and headers, bodies without end, and whatever the OpenAPI document allows."""

from __future__ import annotations

from typing import Any

import pytest

from service.web.routes import ROUTES
from tests.ledger.ingest.test_parquet_pages import bomb, lying
from tests.service.month import Month
from tests.service.web.serving import bearer, client, lines, row, served_month, token


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return served_month(tmp_path_factory.mktemp("tricks") / "home")


@pytest.fixture(scope="module")
def web(june: Month) -> Any:
    with client(june) as opened:
        yield opened


@pytest.mark.parametrize(
    "path",
    [
        "/tile/%2e%2e/settle.toml",
        "/tile/0/999",
        "/tile/0/x001",
        "/tile/0/000.p/0",
        "/tile/0/000.p/999",
        "/tile/99/000",
        "/tile/entries/-01",
        "/tile/0/0000",
        "/v1/log/entries/-1",
        "/v1/log/entries/99999999999999999999",
        "/v1/log/entries/1e3",
        "/v1/log/proof",
        "/v1/log/proof?index=\u0663",
        "/v1/log/consistency?old=9&new=1",
        "/v1/log/consistency?old=0&new=99999",
        "/v1/tracks/%00",
        "/v1/tracks/nobody",
        "/v1/decisions?subject=%00&use=train",
        "/v1/decisions?subject=x&use=x",
        "/settle.toml",
        "/%2F",
        "/v1",
    ],
)
def test_odd_paths_are_refused_as_problems(web: Any, path: str) -> None:
    """If this fails, a path reaches a file that it should not, or ends in an internal error."""
    answer = web.get(path)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer settle_000000000000_" + "A" * 43,
        "Bearer " + "x" * 60_000,
        "bearer settle_",
        "Bearer settle_\u00e9",
    ],
)
def test_no_header_opens_the_door(web: Any, header: str) -> None:
    """If this fails, something that is no access key is taken for one, or ends in an internal error."""
    answer = web.get("/v1/status", headers={"authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_request_ids_cannot_carry_headers(web: Any) -> None:
    """If this fails, a caller writes lines of their own into the answer or the log."""
    assert web.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert "\n" not in web.get("/healthz", headers={"x-request-id": "a\tb"}).headers["x-request-id"]
    assert web.get("/healthz", headers={"x-request-id": "a\tb"}).headers["x-request-id"] != "a\tb"


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(web: Any, june: Month) -> None:
    """If this fails, one caller fills the memory."""
    sent = 0

    def endless() -> Any:
        nonlocal sent
        for _ in range(1024):
            sent += 1 << 20
            yield b"\n" * (1 << 20)

    headers = bearer(token(june, "ann")) | {"content-type": "application/x-ndjson"}
    announced = web.post("/v1/sources/acme/events", content=b"", headers=headers | {"content-length": str(1 << 30)})
    assert (announced.status_code, announced.json()["cause"]) == (413, "body-bytes")
    chunked = web.post("/v1/sources/acme/events", content=endless(), headers=headers)
    assert (chunked.status_code, chunked.json()["cause"]) == (413, "body-bytes")


def test_a_parquet_bomb_is_refused(web: Any, june: Month) -> None:
    """If this fails, a small Parquet file becomes more memory than the machine has."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    headers = bearer(token(june, "ann")) | {"content-type": "application/vnd.apache.parquet"}
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), pa.array(["x" * 1_000_000]))
    many = pa.Table.from_pylist([row("x")] * 60_000)
    long = pa.Table.from_pylist([row(f"x-{n}") for n in range(300)]).append_column("product", repeated)
    bodies = [(lying(bomb()), "plain-bytes")]
    for table, cause in ((many, "rows"), (long, "plain-bytes")):
        file = io.BytesIO()
        pq.write_table(table, file, compression="zstd")
        bodies.append((file.getvalue(), cause))
    for body, cause in bodies:
        assert len(body) < 1 << 20
        answer = web.post("/v1/sources/acme/events", content=body, headers=headers)
        assert (answer.status_code, answer.json()["cause"]) == (413, cause)


@pytest.mark.slow
def test_no_request_that_the_document_allows_ends_in_an_internal_error(june: Month) -> None:
    """If this fails, a caller can make the service fail, which hides what it should have said."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
    from schemathesis.core.result import Ok

    from service.web.app import build
    from service.web.guard.limits import Limits
    from tests.service.web.serving import PARTIES, held

    plenty = Limits(anonymous_per_second=1_000_000, reads_per_second=1_000_000, events_per_second=1_000_000)
    with held(june, plenty) as stands:
        schema = schemathesis.openapi.from_asgi("/openapi.json", build(stands))
        secrets = [token(june, PARTIES[role]) for role in ("platform", "operator")]
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result

            @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=result.ok().as_strategy(), secret=st.sampled_from(secrets))
            def check(case: Any, secret: str) -> None:
                answer = case.call(headers=bearer(secret))
                assert answer.status_code != 500, (case, answer.text)

            check()


def test_the_document_speaks_of_every_route(web: Any) -> None:
    """If this fails, somebody who reads the OpenAPI document does not learn what the service can do."""
    paths = web.get("/openapi.json").json()["paths"]
    assert {(route.method.lower(), route.path.replace(":path", "")) for route in ROUTES} == {
        (method, path) for path, methods in paths.items() for method in methods
    }
    assert all(methods[name]["responses"]["default"] for methods in paths.values() for name in methods)
    assert web.post("/v1/sources/acme/events", content=lines(row("a"))).json()["cause"] == "key"
