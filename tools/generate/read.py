"""Reads api/sgnus.yaml into a `Definition`; refuses what proto, Python and JSON could not all express."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.generate.calls import read_calls
from tools.generate.definition import Definition, DefinitionFault, EnumShape, FieldShape, MessageShape

SCHEMA_PREFIX = "#/components/schemas/"
PYTHON_TYPES = {
    "bool": "bool",
    "int32": "int",
    "uint32": "int",
    "int64": "int",
    "uint64": "int",
    "double": "float",
    "string": "str",
    "bytes": "bytes",
}
TYPED_IDS = ("PeerId", "BlockId", "InstanceId", "NetworkId")
NUMBER_MAX = 2**29 - 1
NUMBERS_RESERVED_BY_PROTOBUF = range(19_000, 20_000)


def read_definition(path: Path) -> Definition:
    """The definition in the file at `path`. Raises DefinitionFault with the place and the rule."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    reader = SchemaReader(document)
    messages = tuple(reader.messages())
    tags = tuple((tag["name"], tag.get("description", "")) for tag in document.get("tags", ()))
    calls = tuple(read_calls(document, {message.name for message in messages}))
    used = tuple(tag for tag in tags if any(call.service == tag[0] for call in calls))
    definition = Definition(
        description=document.get("info", {}).get("description", ""),
        services=used,
        messages=messages,
        enums=tuple(reader.enums()),
        calls=calls,
    )
    _check_names(definition)
    return definition


class SchemaReader:
    """Resolves the schemas of one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.schemas: dict[str, dict[str, Any]] = document.get("components", {}).get("schemas", {})

    def messages(self) -> Iterator[MessageShape]:
        """Every object schema, each after those that it contains."""
        done: dict[str, MessageShape] = {}
        for name, schema in self.schemas.items():
            if schema.get("type") == "object":
                self._place(name, done, ())
        yield from done.values()

    def _place(self, name: str, done: dict[str, MessageShape], outer: tuple[str, ...]) -> None:
        if name in outer:
            # A message that may contain itself has no bounded depth, and a decoder would need a limit for that.
            raise DefinitionFault(
                f"{name}: contains itself ({' > '.join((*outer[outer.index(name) :], name))})"
            )
        if name in done:
            return
        message = self._message(name, self.schemas[name])
        for field in message.fields:
            if field.kind == "message":
                self._place(field.type_name, done, (*outer, name))
        done[name] = message

    def _message(self, name: str, schema: dict[str, Any]) -> MessageShape:
        if schema.get("additionalProperties") is not False:
            raise DefinitionFault(f"{name}: an object schema says additionalProperties: false")
        required = schema.get("required", [])
        properties = schema.get("properties", {})
        for missing in [one for one in required if one not in properties]:
            raise DefinitionFault(f"{name}: requires {missing!r}, which is no property")
        oneof = schema.get("x-oneof", "")
        fields = tuple(self._field(name, key, value, key in required) for key, value in properties.items())
        reserved = tuple(sorted(schema.get("x-reserved", ())))
        _check_numbers(name, fields, reserved)
        if oneof:
            _check_oneof(name, fields)
        return MessageShape(
            name=name,
            description=_text(name, schema),
            fields=tuple(sorted(fields, key=lambda field: field.number)),
            oneof=oneof,
            reserved=reserved,
        )

    def _field(self, owner: str, name: str, schema: dict[str, Any], required: bool) -> FieldShape:
        where = f"{owner}.{name}"
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
            raise DefinitionFault(f"{where}: a field's name is lower snake case and no word of Python")
        if "x-field" not in schema:
            raise DefinitionFault(f"{where}: x-field is missing")
        value, bounds, repeated = schema, {}, schema.get("type") == "array"
        if repeated:
            if "maxItems" not in schema:
                raise DefinitionFault(f"{where}: an array says maxItems")
            bounds = {"items_min": schema.get("minItems", 0), "items_max": schema["maxItems"]}
            value = schema["items"]
        kind, type_name, python_type, value_bounds = self._value(where, value)
        if bounds.get("items_min") == 0:
            del bounds["items_min"]
        return FieldShape(
            name=name,
            number=schema["x-field"],
            kind=kind,
            type_name=type_name,
            python_type=python_type,
            repeated=repeated,
            required=required,
            bounds=tuple((bounds | value_bounds).items()),
            description=schema.get("description", "").strip(),
        )

    def _value(self, where: str, schema: dict[str, Any]) -> tuple[str, str, str, dict[str, int]]:
        """Kind, type name (enums and messages), Python type and bounds of one value."""
        name = self._reference(where, schema)
        if not name:
            kind = _scalar(where, schema)
            return kind, "", PYTHON_TYPES[kind], _bounds(kind, schema)
        target = self.schemas[name]
        if target.get("type") == "object":
            return "message", name, name, {}
        if "enum" in target:
            return "enum", name, name, {}
        own = {key: value for key, value in schema.items() if key != "$ref"}
        kind = _scalar(name, target)
        python_type = name if name in TYPED_IDS else PYTHON_TYPES[kind]
        return kind, "", python_type, _bounds(kind, target | own)

    def _reference(self, where: str, schema: dict[str, Any]) -> str:
        reference: str = schema.get("$ref", "")
        if not reference:
            return ""
        name = reference.removeprefix(SCHEMA_PREFIX)
        if name not in self.schemas:
            raise DefinitionFault(f"{where}: {reference} is not defined")
        if "$ref" in self.schemas[name]:
            raise DefinitionFault(f"{where}: {name} is a reference to a reference")
        return name

    def enums(self) -> Iterator[EnumShape]:
        """Every enum schema."""
        for name, schema in self.schemas.items():
            if "enum" in schema:
                yield _enum(name, schema)


def _scalar(where: str, schema: dict[str, Any]) -> str:
    """The kind of a schema that is neither object, enum nor array."""
    declared = (schema.get("x-scalar"), schema.get("type"), schema.get("format"))
    match declared:
        case (str() as scalar, "string", _) if scalar in ("int64", "uint64", "bytes"):
            return scalar
        case (None, "string", _) if schema.get("contentEncoding") == "base64":
            return "bytes"
        case (None, "string", _):
            return "string"
        case (None, "boolean", _):
            return "bool"
        case (None, "integer", "int32" | "uint32" as width):
            return str(width)
        case (None, "number", "double"):
            return "double"
    raise DefinitionFault(f"{where}: no scalar of the convention (x-scalar, type, format = {declared})")


def _bounds(kind: str, schema: dict[str, Any]) -> dict[str, int]:
    """Bounds of a scalar. JSON counts base64 characters, the wire counts bytes: three for every four."""
    if kind == "bytes":
        lowest, highest = schema.get("minLength", 0) * 3 // 4, schema.get("maxLength")
        found = {"size_min": lowest, "size_max": None if highest is None else highest // 4 * 3}
        found |= {"size_min": schema.get("x-bytes-min", lowest)}
        found |= {"size_max": schema.get("x-bytes-max", found["size_max"])}
        if "x-bytes" in schema:
            found = {"size_min": schema["x-bytes"], "size_max": schema["x-bytes"]}
    elif kind == "string":
        found = {"size_min": schema.get("minLength", 0), "size_max": schema.get("maxLength")}
    elif kind in ("int32", "uint32", "int64", "uint64"):
        minimum, maximum = schema.get("minimum"), schema.get("maximum")
        found = {"minimum": schema.get("x-minimum", minimum), "maximum": schema.get("x-maximum", maximum)}
    else:
        found = {}
    return {
        key: value for key, value in found.items() if value is not None and (key, value) != ("size_min", 0)
    }


def _text(where: str, schema: dict[str, Any]) -> str:
    text: str = schema.get("description", "").strip()
    if not text:
        raise DefinitionFault(f"{where}: a schema has a description")
    return text


def _check_numbers(name: str, fields: tuple[FieldShape, ...], reserved: tuple[int, ...]) -> None:
    numbers = [*(field.number for field in fields), *reserved]
    for number in numbers:
        if not 1 <= number <= NUMBER_MAX or number in NUMBERS_RESERVED_BY_PROTOBUF:
            raise DefinitionFault(f"{name}: x-field {number} is no protobuf field number")
        if numbers.count(number) > 1:
            raise DefinitionFault(f"{name}: x-field {number} is used twice, or reserved")


def _check_oneof(name: str, fields: tuple[FieldShape, ...]) -> None:
    types = [field.python_type for field in fields]
    for field in fields:
        if field.repeated or field.required or types.count(field.python_type) > 1 or field.kind == "double":
            raise DefinitionFault(
                f"{name}.{field.name}: options of a oneof are single, unrequired, of distinct types"
            )


def _enum(name: str, schema: dict[str, Any]) -> EnumShape:
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper() + "_"
    numbers: dict[str, int] = schema.get("x-numbers", {})
    if list(numbers) != schema["enum"]:
        raise DefinitionFault(f"{name}: x-numbers lists the values of enum in their order")
    if next(iter(numbers.items())) != (f"{prefix}UNSPECIFIED", 0):
        raise DefinitionFault(f"{name}: the first value is {prefix}UNSPECIFIED, 0")
    for value in numbers:
        if not re.fullmatch(rf"{prefix}[A-Z][A-Z0-9_]*", value):
            raise DefinitionFault(f"{name}: {value} does not begin with {prefix} and a letter")
    if len(set(numbers.values())) != len(numbers):
        raise DefinitionFault(f"{name}: two values have one number")
    return EnumShape(
        name=name,
        description=_text(name, schema),
        values=tuple(numbers.items()),
        descriptions=tuple(schema.get("x-descriptions", {}).items()),
        prefix=prefix,
    )


def _check_names(definition: Definition) -> None:
    names = [message.name for message in definition.messages]
    names += [one.name for one in definition.enums]
    names += [name for name, _ in definition.services]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionFault(f"{name}: a message, enum or service of this name exists already")
