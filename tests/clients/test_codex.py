"""Codex, by the address of a provider and by a file."""

import json
from typing import Final

import pytest

from tests.clients.conftest import Client
from tests.served import Json, Served, differences

FROM_PROVIDER: Final = """
model_provider = "catalog"
[model_providers.catalog]
name = "catalog"
base_url = "{url}/codex"
[model_providers.catalog.auth]
command = "echo"
args = ["sk-foreign"]
"""
FROM_FILE: Final = """
model_catalog_json = "{file}"
"""


def expected(model: Json) -> Json | None:
    """What it is to show of a model; None where it cannot work with it."""
    if model["tools"] is False or "text" not in model["output"]:
        return None
    efforts = model["reasoningEfforts"] if model["reasoning"] else None
    return {
        "display_name": model["name"],
        "description": model["description"],
        "context_window": model["servedContextWindow"] or model["contextWindow"],
        "supported_reasoning_levels": [
            {"effort": effort, "description": effort} for effort in efforts or ()
        ],
        "input_modalities": [kind for kind in ("text", "image", "audio") if kind in model["input"]],
        "visibility": "list",
    }


def shown(model: Json, names: Json) -> Json:
    return {name: model[name] for name in names}


@pytest.fixture
def models(served: Served) -> dict[str, Json]:
    return {model["id"]: said for model in served.models if (said := expected(model))}


def listed(client: Client, config: str) -> dict[str, Json]:
    """What `codex debug models` prints, by slug and in its order."""
    folder = client.home / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(config)
    answer = json.loads(client.run("codex", "debug", "models"))
    return {model["slug"]: model for model in answer["models"]}


def test_it_lists_the_models_of_a_provider_after_its_own(
    served: Served, models: dict[str, Json], npm: Client
) -> None:
    found = listed(npm, FROM_PROVIDER.format(url=served.url))

    own = len(found) - len(models)
    assert own > 0
    assert list(found)[own:] == list(models)
    assert differences(models, {id_: shown(found[id_], models[id_]) for id_ in models}) == []


def test_it_lists_the_models_of_a_file_alone(
    served: Served, models: dict[str, Json], npm: Client
) -> None:
    file = npm.home / "codex.json"
    served.export("codex", file)

    found = listed(npm, FROM_FILE.format(file=file))

    assert list(found) == list(models)
    assert differences(models, {id_: shown(found[id_], models[id_]) for id_ in models}) == []
