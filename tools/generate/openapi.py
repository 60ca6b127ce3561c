"""Writes the OpenAPI document that a node serves: one service of the definition, and the schemas it reaches.

It says by JSON Schema what the definition says by convention (the range of a 32-bit format, the single value of a
oneof), so that who validates against it refuses what the codec would.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

SERVICE = "Processing"
RANGES = {"uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1)}
DESCRIPTION = (
    "The local service of a node. Every call needs the node's token: press Authorize and paste the text of the file "
    "`token` in the node's home. Streams are JSON lines, or server-sent events if Accept asks for them; an answer whose "
    "status is no success has a Problem as its body."
)
REFERENCE = re.compile(r'"#/components/(\w+)/(\w+)"')


def write_openapi(path: Path) -> str:
    """The document of `SERVICE` as compact JSON, from the definition at `path`."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["info"]["description"] = DESCRIPTION
    document["servers"] = [{"url": "/", "description": "The node that serves this document."}]
    document["tags"] = [tag for tag in document.get("tags", ()) if tag["name"] == SERVICE]
    document["paths"] = {
        route: item
        for route, item in document["paths"].items()
        if any(SERVICE in operation.get("tags", ()) for operation in item.values())
    }
    document["components"] = _reached(document["paths"], document["components"])
    return json.dumps(_plain(document), separators=(",", ":"), ensure_ascii=False) + "\n"


def _reached(paths: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[tuple[str, str], Any] = {}
    waiting: list[Any] = [paths]
    while waiting:
        for section, name in REFERENCE.findall(json.dumps(waiting.pop())):
            if (section, name) not in found:
                found[section, name] = components[section][name]
                waiting.append(found[section, name])
    kept = {"securitySchemes": components.get("securitySchemes", {})}
    for section in ("responses", "schemas"):
        kept[section] = {
            name: one for name, one in components.get(section, {}).items() if (section, name) in found
        }
    return kept


def _plain(value: Any) -> Any:
    """`value` with our conventions said in JSON Schema, and without our own keys."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {key: _plain(item) for key, item in value.items() if not key.startswith("x-")}
    if "x-oneof" in value:
        plain |= {"minProperties": 1, "maxProperties": 1}
    if "itemSchema" in value:
        # The stream as a whole, for readers that do not know the keyword of OpenAPI 3.2 for its items.
        plain["schema"] = {"type": "array", "items": plain["itemSchema"]}
    if value.get("type") == "integer" and value.get("format") in RANGES:
        lowest, highest = RANGES[value["format"]]
        plain = {"minimum": lowest, "maximum": highest} | plain
    return plain
