"""`/ti/docs`: all REST routes and models on one page, rendered on the server from the OpenAPI description.

The page has no scripts and contacts no other server.
"""

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

DESCRIPTION = (
    "`/ti/` is the studio's own API: trainings, pictures, and the library of embeddings. `/sdapi/v1/` has "
    "AUTOMATIC1111's routes and shapes, for its clients. Where the server has a login, send an account by HTTP Basic. "
    "Every error is JSON with a sentence in `detail`."
)
TAGS: list[dict[str, Any]] = [
    {"name": "jobs", "description": "Trainings."},
    {"name": "txt2img", "description": "Pictures from prompts."},
    {"name": "embeddings", "description": "The library."},
    {"name": "presets", "description": "Ready-made ways to train."},
    {"name": "tools", "description": "Conversion, inspection and arithmetic of embeddings."},
    {"name": "extensions", "description": "A1111's extensions in `extensions/`."},
    {"name": "prompts", "description": "What a prompt amounts to."},
    {"name": "extensions", "description": "A1111's extensions in this server."},
    {"name": "tools", "description": "Embeddings looked into, converted, merged and softened."},
    {"name": "suggestions", "description": "Initialization texts for a folder of pictures."},
    {"name": "sdapi", "description": "AUTOMATIC1111's routes."},
]

OTHERS = "others"
"""The group of routes without a tag, usually those of extensions."""
_SCHEMAS = "#/components/schemas/"
_BOUNDS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
    "multipleOf": "multiple of",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; }
h3 { margin-top: 2rem; font-size: 1rem; }
code, h3 { font-family: ui-monospace, Consolas, monospace; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
tr { border-top: 1px solid #8884; } pre { background: #8882; padding: .6rem; overflow-x: auto; }
"""

Schema = Mapping[str, Any]


def operation_id(route: APIRoute) -> str:
    """Returns a route's name in generated clients, such as `jobs_submit_job`."""
    return f"{route.tags[0] if route.tags else 'studio'}_{route.name}"


def serve_reference(app: FastAPI) -> None:
    """Adds the page to `app`."""

    @app.get("/ti/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi()))


def reference_page(specification: Schema) -> str:
    """Returns the HTML of an OpenAPI description."""
    title = html.escape(specification["info"]["title"])
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}: REST</title><style>{_STYLE}</style>",
        f"<h1>{title} {html.escape(specification['info']['version'])}</h1>",
        f"<p>{_text(specification['info'].get('description', ''))}",
        "<p>The same for programs: <a href=openapi.json>openapi.json</a>.",
    ]
    groups = {tag["name"]: [_text(tag.get("description", ""))] for tag in specification.get("tags", [])}
    for tag, text in _operations(specification):
        groups.setdefault(tag, []).append(text)
    for tag, texts in groups.items():
        parts += [f"<h2>{html.escape(tag)}</h2>", "<p>", *texts]
    parts.append("<h2>Models</h2>")
    parts += [_model(name, schema) for name, schema in specification["components"]["schemas"].items()]
    return "\n".join(parts)


def _operations(specification: Schema) -> Iterator[tuple[str, str]]:
    """Yields the tag and the HTML of every operation."""
    for path, methods in specification["paths"].items():
        for method, operation in methods.items():
            yield operation.get("tags", [OTHERS])[0], "\n".join(_operation(path, method, operation))


def _operation(path: str, method: str, operation: Schema) -> Iterator[str]:
    yield f"<h3 id={html.escape(operation['operationId'])}>{method.upper()} {html.escape(path)}</h3>"
    yield f"<p>{_text(operation.get('description') or operation.get('summary', ''))}"
    parameters = operation.get("parameters", [])
    if parameters:
        rows = [
            (each["name"], f"{each['in']}, {_type(each.get('schema', {}))}", _description(each.get("schema", {}), each))
            for each in parameters
        ]
        yield _table("Parameter", rows)
    if "requestBody" in operation:
        for kind, content in operation["requestBody"]["content"].items():
            yield f"<p>Body: {_type(content.get('schema', {}))} (<code>{html.escape(kind)}</code>)"
            yield from _examples(content)
    rows = [
        (status, ", ".join(_content(kind, body) for kind, body in answer.get("content", {}).items()), _answer(answer))
        for status, answer in operation["responses"].items()
    ]
    yield _table("Answer", rows)


def _examples(content: Schema) -> Iterator[str]:
    for example in content.get("examples", {}).values():
        yield _example(example.get("summary", "Example"), example["value"])


def _example(heading: str, value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return f"<p>{html.escape(heading)}:<pre>{html.escape(text)}</pre>"


def _content(kind: str, body: Schema) -> str:
    if kind == "application/json":
        return _type(body.get("schema", {})) or "JSON"
    return f"<code>{html.escape(kind)}</code>"


def _answer(answer: Schema) -> str:
    return _text(answer.get("description", ""))


def _model(name: str, schema: Schema) -> str:
    heading = f"<h3 id={html.escape(_anchor(name))}>{html.escape(name)}</h3><p>{_text(schema.get('description', ''))}"
    if "enum" in schema:
        return f"{heading}<p>{_type(schema)}"
    required = schema.get("required", [])
    rows = [
        (field, _type(each) + (", required" if field in required else ""), _description(each, each))
        for field, each in schema.get("properties", {}).items()
    ]
    examples = "".join(_example("Example", value) for value in schema.get("examples", []))
    return heading + _table("Field", rows) + examples


def _table(heading: str, rows: list[tuple[str, str, str]]) -> str:
    """Returns an HTML table; in `rows` the first column is text and the others are HTML."""
    cells = (f"<tr><td><code>{html.escape(name)}</code><td>{kind}<td>{description}" for name, kind, description in rows)
    return f"<table><tr><th>{heading}<th><th>{''.join(cells)}</table>"


def _type(schema: Schema) -> str:
    """Returns the HTML of a schema's type: `integer ≥ 1`, `array of SnapshotView`, `string or null`."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return f'<a href="#{html.escape(_anchor(name))}">{html.escape(name)}</a>'
    if "enum" in schema or "const" in schema:
        return " | ".join(
            f"<code>{html.escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")])
        )
    for together in ("anyOf", "oneOf", "allOf"):
        if together in schema:
            return " or ".join(_type(each) for each in schema[together])
    kind = html.escape(str(schema.get("type", "")))
    if kind == "array":
        return f"array of {_type(schema.get('items', {})) or 'anything'}"
    bounds = "".join(f" {sign} {html.escape(str(schema[key]))}" for key, sign in _BOUNDS.items() if key in schema)
    return kind + bounds


def _description(schema: Schema, field: Schema) -> str:
    """Returns the HTML of a field's description, with its default."""
    description = _text(field.get("description") or schema.get("description", ""))
    default = schema.get("default")
    if default in (None, "", [], {}):
        return description
    return f"{description} Default: <code>{html.escape(json.dumps(default, ensure_ascii=False))}</code>"


def _anchor(name: str) -> str:
    return f"model-{name}"


def _text(text: str) -> str:
    """Returns text as HTML, with text in backticks as `<code>`."""
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))
