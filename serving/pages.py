"""The OpenAPI document and the docs page, both made from the routes when the process starts."""

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from serving.routes import ROUTES, Route
from serving.schemas import ErrorAnswer

VERSION = "1.0.0"
OPEN = ("read", "events")
"""Scopes that need no key where the shop has not closed them."""
CONTENT_SECURITY_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
REFERENCE = "#/components/schemas/{name}"


class Page(msgspec.Struct, frozen=True):
    """A document that does not change while the process lives."""

    kind: bytes
    body: bytes


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the data plane."""
    types = [kind for route in ROUTES for kind in (route.request, route.answer) if kind is not None]
    _, components = msgspec.json.schema_components([*types, ErrorAnswer], ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "shoploop endpoint",
            "version": VERSION,
            "description": "Recommendations, searches, items and events of one shop.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    sent, answered = route.example
    content = _content(route.answer, answered, route.kind)
    operation: dict[str, Any] = {
        "operationId": route.handler,
        "summary": route.summary,
        "responses": {"200": {"description": "The answer.", "content": content}},
    }
    if route.query is not None:
        operation["parameters"] = _parameters(route.query)
    if route.parameter:
        operation["parameters"] = [_path_parameter(route.parameter)]
    if route.needs:
        operation["security"] = [{"key": []}, *([{}] if route.needs in OPEN else [])]
    for status, meaning in route.refusals.items():
        operation["responses"][str(status)] = {"description": meaning, "content": _content(ErrorAnswer, None)}
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.request, sent)}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 128}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameters(query: Any) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([query])
    fields = components[query.__name__]["properties"].items()
    return [{"name": name, "in": "query", "required": False, "schema": field} for name, field in fields]


def _content(kind: Any, example: Any, text: bytes = b"") -> dict[str, Any]:
    if kind is None:
        return {text.decode().split(";")[0]: {"schema": {"type": "string"}}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    shown = {} if example is None else {"example": msgspec.to_builtins(example)}
    return {"application/json": {"schema": schema, **shown}}


def docs() -> str:
    """One self-contained page: no script, no font and no style from anywhere else."""
    document = openapi()
    template = Path(__file__).with_name("docs.html").read_text(encoding="utf-8")
    sections = "\n".join(_section(route, document) for route in ROUTES)
    links = "\n".join(f'<a href="#{r.handler}"><b>{r.method}</b> {r.path}</a>' for r in ROUTES)
    return template.replace("{links}", links).replace("{sections}", sections)


def _section(route: Route, document: dict[str, Any]) -> str:
    sent, answered = route.example
    parts = [
        f'<section id="{route.handler}"><h2><span class="{route.method.lower()}">{route.method}</span>'
        f"<code>{route.path}</code></h2><p>{html.escape(route.summary)}</p>"
    ]
    if route.request is not None:
        parts.append(_fields(route, document))
    if route.query is not None:
        rows = "".join(_parameter_row(parameter) for parameter in _parameters(route.query))
        parts.append(f"<h3>Query</h3><table><tr><th>Parameter<th>Type<th>Default{rows}</table>")
    parts.append(f"<h3>Try it</h3><pre>{html.escape(curl(route, sent))}</pre>")
    if answered is not None:
        parts.append(f"<h3>Answer</h3><pre>{_pretty(answered)}</pre>")
    if route.refusals:
        refusals = route.refusals.items()
        rows = "".join(f"<tr><td><code>{code}</code><td>{html.escape(why)}" for code, why in refusals)
        parts.append(f"<h3>Refusals</h3><table>{rows}</table>")
    return "".join(parts) + "</section>"


def _parameter_row(parameter: dict[str, Any]) -> str:
    field = parameter["schema"]
    return f"<tr><td><code>{parameter['name']}</code><td>{_kind(field)}<td>{field['default']}"


def _fields(route: Route, document: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{name}</code><td>{html.escape(kind)}<td>{html.escape(default)}<td>{html.escape(meaning)}"
        for name, kind, default, meaning in _rows_of(route, document)
    )
    return f"<h3>Body</h3><table><tr><th>Field<th>Type<th>Default<th>Meaning{rows}</table>"


def field_rows(route: Route) -> list[list[str]]:
    """Name, type, default and meaning of each field of a body or a query; nothing for a route that takes neither."""
    if route.request is not None:
        return _rows_of(route, openapi())
    if route.query is not None:
        return [
            [one["name"], _kind(one["schema"]), json.dumps(one["schema"]["default"]), ""]
            for one in _parameters(route.query)
        ]
    return []


def _rows_of(route: Route, document: dict[str, Any]) -> list[list[str]]:
    operation = document["paths"][route.path][route.method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    reference = next(option for option in schema.get("anyOf", [schema]) if "$ref" in option)
    component = document["components"]["schemas"][_named(reference)]
    return list(_rows_below("", component, document["components"]["schemas"]))


def _rows_below(above: str, component: dict[str, Any], schemas: dict[str, Any]) -> Iterator[list[str]]:
    needed = component.get("required", [])
    for name, field in component["properties"].items():
        default = "required" if name in needed else json.dumps(field.get("default"))
        yield [f"{above}{name}", _kind(field), default, field.get("description", "")]
        for option in field.get("anyOf", []):
            if "$ref" in option:
                yield from _rows_below(f"{above}{name}.", schemas[_named(option)], schemas)


def _named(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[1]


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(option) for option in field["anyOf"])
    if "$ref" in field:
        return "object"
    if field.get("type") == "array":
        most = f", at most {field['maxItems']}" if "maxItems" in field else ""
        return f"list of {_kind(field['items'])}{most}"
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    limits = [f"{field[low]}-{field[high]}" for low, high in LIMITS if low in field and high in field]
    return " ".join([field.get("format", field["type"]), *limits])


LIMITS = (("minimum", "maximum"), ("minLength", "maxLength"))


def curl(route: Route, sent: Any) -> str:
    """The example as a command."""
    command = f"curl -s http://127.0.0.1:3000{route.path}"
    if route.method == "PUT":
        command = command.replace("-s", "-s -X PUT").replace("{item_id}", "1029743")
    if route.needs and route.needs not in OPEN:
        command += " \\\n  -H 'Authorization: Bearer '$SHOPLOOP_KEY"
    return command if sent is None else f"{command} \\\n  -d '{json.dumps(sent)}'"


def _pretty(value: Any) -> str:
    return html.escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


PAGES = {
    "/openapi.json": Page(b"application/json", msgspec.json.encode(openapi())),
    "/docs": Page(b"text/html; charset=utf-8", docs().encode()),
}
