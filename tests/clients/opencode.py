"""What opencode, and Kilo's command line which grew out of it, print of each model they know."""

import json
import re
from collections.abc import Collection
from typing import Final

from tests.served import Json

_HEAD: Final = re.compile(r"^(?P<provider>[^/\s]+)/(?P<id>\S+)\n(?=\{)", re.MULTILINE)
_DECODER: Final = json.JSONDecoder()
_KINDS: Final = ("text", "audio", "image", "video", "pdf")
_DIGITS: Final = 9
"""To which prices are compared: Kilo multiplies in binary and prints 0.09999999999999999."""


def printed(text: str) -> dict[str, Json]:
    """The models by id, of `models kilo --verbose`."""
    models: dict[str, Json] = {}
    for head in _HEAD.finditer(text):
        found, _ = _DECODER.raw_decode(text, head.end())
        assert head["provider"] == found["providerID"] == "kilo"
        assert head["id"] == found["id"]
        models[head["id"]] = _shown(found)
    return models


def _shown(model: Json) -> Json:
    can, cost = model["capabilities"], model["cost"]
    return {
        "name": model["name"],
        "status": model["status"],
        "context": model["limit"]["context"],
        "output": model["limit"]["output"],
        "price": [
            round(usd, _DIGITS)
            for usd in (
                cost["input"],
                cost["output"],
                cost["cache"]["read"],
                cost["cache"]["write"],
            )
        ],
        "reads": [kind for kind in _KINDS if can["input"][kind]],
        "writes": [kind for kind in _KINDS if can["output"][kind]],
        "attachment": can["attachment"],
        "reasoning": can["reasoning"],
        "temperature": can["temperature"],
        "tools": can["toolcall"],
        "variants": list(model["variants"]),
        "url": model["api"]["url"],
    }


def price(cost: Json) -> list[float]:
    """As they print it: 0 is all that they have for a price that is unknown."""
    usd = (cost["input"], cost["output"], cost["cacheRead"], cost["cacheWrite"])
    return [round(float(one or 0), _DIGITS) for one in usd]


def kinds(modalities: Collection[str]) -> list[str]:
    """Those that they have a word for."""
    return [kind for kind in _KINDS if kind in modalities]


def takes(model: Json, parameter: str) -> bool:
    return parameter in (model["supportedParameters"] or ())


def from_models_dev(model: Json, url: str) -> Json | None:
    """What either makes of models.dev's form; None when it is not to be listed."""
    # "file" is the gateway's older word for what models.dev calls "pdf".
    reads = kinds(["pdf" if kind == "file" else kind for kind in model["input"]])
    writes = kinds(model["output"])
    if not writes:
        return None
    return {
        "name": model["name"],
        "status": "active",
        "context": model["servedContextWindow"] or model["contextWindow"] or 0,
        "output": model["maxTokens"] or 0,
        "price": price(model["cost"]),
        "reads": reads,
        "writes": writes,
        "attachment": any(kind != "text" for kind in model["input"]),
        "reasoning": model["reasoning"] is True,
        "temperature": takes(model, "temperature"),
        "tools": model["tools"] is not False,
        "variants": (model["reasoningEfforts"] or []) if model["reasoning"] else [],
        "url": url,
    }
