"""The OpenAPI document, made from the table of routes."""

from __future__ import annotations

import re
from typing import Any, Final

from service.web.guard.allowed import ANYBODY
from service.web.route import Route
from service.web.routes import ROUTES

VERSION: Final = "3.1.0"
_PARAM: Final = re.compile(r"{(\w+)(?::path)?}")
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "cause": {"type": "string"},
        "detail": {"type": "string"},
        "request": {"type": "string"},
    },
    "required": ["type", "title", "status", "cause", "detail", "request"],
}


def document(version: str) -> dict[str, Any]:
    """The whole document, for the release that this is."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(_PARAM.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": VERSION,
        "info": {"title": "Settle", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"schema": {}} if route.answers == "application/json" else {"schema": {"type": "string"}}
    if route.example is not None:
        answer["example"] = route.example
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": [*map(_path_parameter, _PARAM.findall(route.path)), *map(_query_parameter, route.query)],
        "responses": {
            "200": {"description": "The answer.", "content": {route.answers: answer}},
            "default": {
                "description": "A refusal, with its cause.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
        "security": [] if ANYBODY in route.who else [{"key": []}],
        "x-settle-who": sorted(route.who),
    }
    if route.takes:
        operation["requestBody"] = {
            "required": True,
            "content": {
                media: {"schema": {} if media == "application/json" else {"type": "string"}}
                | ({"example": route.body_example} if media in _EXAMPLE_MEDIA else {})
                for media in route.takes
            },
        }
    return operation


_EXAMPLE_MEDIA: Final = ("application/x-ndjson", "application/json")


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str) -> dict[str, Any]:
    """A name that ends in an exclamation mark is required."""
    return {"name": name.rstrip("!"), "in": "query", "required": name.endswith("!"), "schema": {"type": "string"}}
