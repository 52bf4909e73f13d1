"""Checks JSON against the part of JSON Schema that the API's own description uses."""

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {
    "$ref", "type", "enum", "minimum", "maximum", "minLength", "maxLength", "required", "properties",
    "additionalProperties", "items", "default", "description",
}


def _is(value, name):
    if name in ("number", "integer"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


class Checker:
    """Stricter than the standard: a member that is not described is wrong, and so is a word that is not known here."""

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            found = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def problems(self, value, schema, where="$"):
        schema = self.resolve(schema)
        unknown = set(schema) - _KNOWN
        if unknown:
            return [f"{where}: the checker does not know {unknown}"]
        names = schema.get("type", [])
        names = [names] if isinstance(names, str) else names
        if names and not any(_is(value, name) for name in names):
            return [f"{where}: {value!r} is no {names}"]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                found.append(f"{where}: {value} is out of range")
        if isinstance(value, str) and not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            found.append(f"{where}: {len(value)} characters")
        if isinstance(value, dict):
            found += self._members(value, schema, where)
        if isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                found += self.problems(item, schema["items"], f"{where}[{index}]")
        return found

    def _members(self, value, schema, where):
        properties = schema.get("properties")
        found = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        if properties is None:
            return found  # Anything.
        for name, member in value.items():
            if name in properties:
                found += self.problems(member, properties[name], f"{where}.{name}")
            else:
                found.append(f"{where}: {name} is not described")
        return found
