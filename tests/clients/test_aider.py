"""aider, by the map that its LiteLLM reads and by a file of its own."""

import json
import re
from typing import Final

from tests.clients.conftest import Client
from tests.served import Json, Served, differences, per_token

ROUTE: Final = "openrouter/"
BUNDLED: Final = re.compile(r'^\s*"([^"]*openrouter/[^"]+)": \{', re.MULTILINE)
MAP: Final = "/model_prices_and_context_window.json"

TELL: Final = """
import json, sys
from aider.models import Model
names = json.loads(sys.argv[1])
models = [Model(name, weak_model=False, editor_model=False) for name in names]
print(json.dumps({model.name: model.info for model in models}))
"""
TELL_OF_FILE: Final = """
import json, sys
from aider.llm import litellm
from aider.models import Model, register_litellm_models
assert register_litellm_models([sys.argv[1]]) == [sys.argv[1]]
told = {}
for name in json.load(open(sys.argv[1])):
    litellm._lazy_module = None
    told[name] = Model(name, weak_model=False, editor_model=False).info
print(json.dumps(told))
"""
"""As the model to chat with is looked up: before LiteLLM is loaded, whose own figures would win."""


def expected(model: Json) -> Json | None:
    """What it is to know of a model; None where it must not count, for want of a price."""
    cost = model["cost"]
    if cost["input"] is None or cost["output"] is None:
        return None
    said = {
        "max_input_tokens": model["servedContextWindow"] or model["contextWindow"],
        "max_output_tokens": model["maxTokens"],
        "input_cost_per_token": float(per_token(cost["input"])),
        "output_cost_per_token": float(per_token(cost["output"])),
        "supports_vision": "image" in model["input"],
    }
    return {name: value for name, value in said.items() if value is not None}


def models_of(served: Served) -> dict[str, Json]:
    return {f"{ROUTE}{model['id']}": said for model in served.models if (said := expected(model))}


def shown(told: str) -> dict[str, Json]:
    names = ("max_input_tokens", "max_output_tokens", "supports_vision")
    costs = ("input_cost_per_token", "output_cost_per_token")
    return {
        id_: {name: info[name] for name in (*names, *costs) if info.get(name) is not None}
        for id_, info in json.loads(told.splitlines()[-1]).items()  # before it, what it misses
    }


def test_it_lists_the_models_that_chat_beside_those_it_has_bundled(
    served: Served, aider: Client
) -> None:
    chat = {f"{ROUTE}{model['id']}" for model in served.models if "text" in model["output"]}
    models = models_of(served).keys() & chat
    [bundled] = aider.folder.glob("lib/*/site-packages/aider/resources/model-metadata.json")
    own = tuple(BUNDLED.findall(bundled.read_text()))

    text = aider.run(
        *("aider", "--list-models", ROUTE, "--no-git", "--no-check-update", "--analytics-disable"),
        LITELLM_MODEL_COST_MAP_URL=f"{served.url}{MAP}",
    )

    listed = {line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")}
    assert listed >= models
    assert {name for name in listed - models if not name.endswith(own)} == set()


def test_it_knows_limits_and_prices_of_every_model_in_the_map(
    served: Served, aider: Client
) -> None:
    models = models_of(served)

    told = aider.python(
        TELL, json.dumps(list(models)), LITELLM_MODEL_COST_MAP_URL=f"{served.url}{MAP}"
    )

    assert differences(models, shown(told)) == []


def test_it_knows_limits_and_prices_of_every_model_in_a_file(served: Served, aider: Client) -> None:
    file = aider.home / "models.json"
    served.export("litellm", file)

    told = aider.python(TELL_OF_FILE, str(file), LITELLM_LOCAL_MODEL_COST_MAP="True")

    assert differences(models_of(served), shown(told)) == []
