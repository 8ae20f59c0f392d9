"""Lists of any size, in the shape of the gateway's, made from the fixtures."""

import copy

import orjson

import fixtures


def make(count: int, *, generation: int = 0) -> bytes:
    """A body of so many entries. Another generation has another price on every one."""
    templates = orjson.loads(fixtures.path("kilo-2026-10-01.json").read_bytes())["data"]
    entries = []
    for number in range(count):
        entry = copy.copy(templates[number % len(templates)])
        entry["id"] = f"{entry['id']}-{number}"
        entry["description"] = f"{entry.get('description') or 'A model.'} Number {number}. " * 4
        entry["pricing"] = {"prompt": f"0.{generation + 1:09d}", "completion": "0.000015"}
        entries.append(entry)
    return orjson.dumps({"data": entries})
