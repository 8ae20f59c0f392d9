"""opencode, told to take its models from the service instead of models.dev."""

from tests.clients import opencode
from tests.clients.conftest import Client
from tests.served import Json, Served, differences


def expected(model: Json, gateway: str) -> Json | None:
    said = opencode.from_models_dev(model, gateway)
    if said and model["reasoning"] and not model["reasoningEfforts"]:
        del said["variants"]  # it offers efforts all the same, by an idea of its own
    return said


def test_it_lists_every_model_with_its_limits_prices_and_abilities(
    served: Served, npm: Client
) -> None:
    models = {
        model["id"]: said for model in served.models if (said := expected(model, served.gateway))
    }

    # The key stands for a person's: a provider without one is not listed. The first start would
    # list what opencode has bundled, and fetch meanwhile; --refresh waits.
    text = npm.run(
        *("opencode", "models", "kilo", "--refresh", "--verbose"),
        KILO_API_KEY="sk-foreign",
        OPENCODE_MODELS_URL=served.url,
    )

    seen = opencode.printed(text)
    for id_, model in models.items():
        if "variants" not in model:
            assert seen[id_].pop("variants")
    assert differences(models, seen) == []
