#!/usr/bin/env python3
"""Turns Kubernetes' swagger.json into the schemas that kubeconform reads, strict: unknown fields are faults.

usage: schemas.py SWAGGER DIRECTORY
"""
import json
import os
import sys

INT_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
QUANTITY = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def nullable(schema):
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return schema


def convert(schema):
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string":
        return INT_OR_STRING
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/definitions/", "_definitions.json#/definitions/")}
    out = {k: v for k, v in schema.items() if not k.startswith("x-")}
    if "properties" in schema:
        required = schema.get("required", [])
        out["properties"] = {
            k: convert(v) if k in required else nullable(convert(v)) for k, v in schema["properties"].items()
        }
        out.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            out[key] = convert(schema[key])
    return out


def definition(name, schema):
    if name.endswith("api.resource.Quantity"):
        return QUANTITY
    if name.endswith(".intstr.IntOrString"):
        return INT_OR_STRING
    return convert(schema)


def main():
    source, target = sys.argv[1:]
    os.makedirs(target, exist_ok=True)
    with open(source) as f:
        definitions = json.load(f)["definitions"]
    converted = {name: definition(name, schema) for name, schema in definitions.items()}
    with open(os.path.join(target, "_definitions.json"), "w") as f:
        json.dump({"definitions": converted}, f)
    count = 0
    for name, schema in definitions.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            group, version, kind = gvk["group"], gvk["version"], gvk["kind"]
            one = json.loads(json.dumps(converted[name]))
            properties = one.get("properties", {})
            wanted = {"kind": kind, "apiVersion": f"{group}/{version}" if group else version}
            for key in wanted.keys() & properties.keys():
                properties[key] = {"type": "string", "enum": [wanted[key]]}
            one["required"] = sorted(set(one.get("required", [])) | (wanted.keys() & properties.keys()))
            prefix = f"{group.split('.')[0]}-" if group else ""
            with open(os.path.join(target, f"{kind.lower()}-{prefix}{version}.json"), "w") as f:
                json.dump(one, f)
            count += 1
    print(f"{count} schemas")


if __name__ == "__main__":
    main()
