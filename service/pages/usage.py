"""How a model is called in each tool, and where it is not told, why. Pure.

Whether a dialect tells a model is its own decision; here is only what that means to its readers.
The settings are those of docs/clients.md.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.catalog import Model, Row
from service.dialects import DIALECTS
from service.dialects.dialect import Dialect, Json, Provider
from service.dialects.figures import is_priced, window


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A model in one tool. Without a name it is not told there, and `why` says why not."""

    tool: str
    name: str = ""
    note: str = ""
    example: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where things are: this service, as its reader calls it, and the gateway."""

    address: str
    """Without a slash at its end."""
    provider: Provider


def uses(row: Row, place: Place) -> list[Use]:
    """The gateway itself, then each format, the most asked for first."""
    if row.is_removed:
        return []
    return [_gateway(row.model, place), *(_use(one, row, place) for one in DIALECTS)]


def _use(dialect: Dialect, row: Row, place: Place) -> Use:
    made = _MAKERS[dialect.name]
    told = dialect.row(row, place.provider)
    if told is None:
        return Use(tool=made.tool, why=why_not(dialect.name, row.model))
    way = made.way(row.model, told, place)
    return Use(tool=made.tool, name=way.name, note=way.note, example=way.example)


# ── why not ───────────────────────────────────────────────────────────────────────────────────

NO_WORD: Final = "its format has no way to tell it truthfully"
_Reason = tuple[Callable[[Model], bool], str]


def _lacks_text(said: Model) -> bool:
    return "text" not in said.output


def _lacks_price(said: Model) -> bool:
    return not is_priced(said.cost)


def _lacks_window(said: Model) -> bool:
    return window(said) is None


_REASONS: Final[Mapping[str, Sequence[_Reason]]] = {
    "openai": (
        (
            lambda said: said.context_window is None,
            "its context window is unknown, and strict clients lose the whole list without one",
        ),
    ),
    "models-dev": ((lambda _: True, "the format has no word for what it takes or what it makes"),),
    "catwalk": (
        (_lacks_text, "it answers in no text"),
        (lambda said: said.tools is False, "it has no tools, and Crush does everything with tools"),
        (_lacks_price, "its price is unknown, which Crush would read as free"),
        (_lacks_window, "its context window is unknown, which Crush would read as full"),
    ),
    "litellm": (
        (_lacks_price, "its price is unknown, which LiteLLM would read as free"),
        (lambda _: True, "LiteLLM has no mode for what it answers in"),
    ),
    "litellm-proxy": ((lambda _: True, "LiteLLM has no mode for what it answers in"),),
    "genai-prices": ((_lacks_price, "its price is unknown, so a sum would be told too low"),),
    "codex": (
        (_lacks_text, "it answers in no text"),
        (lambda said: said.tools is False, "it has no tools, and Codex does everything with tools"),
    ),
    "openclaw": (
        (_lacks_text, "it answers in no text"),
        (lambda _: True, "OpenClaw would put a variable of its environment into the name"),
    ),
    "vercel": ((lambda _: True, "the SDK has no type for what it answers in"),),
    "llm": ((_lacks_text, "it answers in no text"),),
}


def why_not(dialect: str, said: Model) -> str:
    """Why a format does not tell of a model."""
    reasons = _REASONS.get(dialect, ())
    return next((reason for holds, reason in reasons if holds(said)), NO_WORD)


# ── texts in code ─────────────────────────────────────────────────────────────────────────────


def quoted(text: str) -> str:
    """A text as Python has it."""
    is_plain = text.isprintable() and not {'"', "\\"} & set(text)
    return f'"{text}"' if is_plain else repr(text)


def _message(text: str = "Hello") -> str:
    return f'[{{"role": "user", "content": "{text}"}}]'


# ── the tools ─────────────────────────────────────────────────────────────────────────────────


def _gateway(said: Model, place: Place) -> Use:
    """The gateway, asked directly, by OpenAI's SDK."""
    provider = place.provider
    example = "\n".join(
        [
            "import os",
            "from openai import OpenAI",
            "",
            f"client = OpenAI(base_url={quoted(provider.url)},",
            f'                api_key=os.environ["{provider.key_variable}"])',
            f"client.chat.completions.create(model={quoted(said.id)},",
            f"                               messages={_message()})",
        ]
    )
    note = f"Chats go to the gateway, {provider.url}, and never to this catalog."
    has_chat = not _lacks_text(said)
    return Use(
        tool=f"{provider.name}, by OpenAI's SDK",
        name=said.id,
        note=note if has_chat else f"{note} It answers in no text, so this is no chat model.",
        example=example if has_chat else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a tool calls a model."""

    name: str
    note: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class _Maker:
    tool: str
    way: Callable[[Model, Json, Place], _Way]


def _openai(said: Model, told: Json, place: Place) -> _Way:
    del told
    base = quoted(f"{place.address}/v1")
    return _Way(
        name=said.id,
        note="Looks it up in this catalog; limits, prices and abilities are extra attributes.",
        example=f'OpenAI(base_url={base}, api_key="any").models.retrieve({quoted(said.id)})',
    )


def _opencode(said: Model, told: Json, place: Place) -> _Way:
    del told
    name = f"{place.provider.key}/{said.id}"
    return _Way(
        name=name,
        note="Kilo CLI takes KILO_MODELS_URL in place of OPENCODE_MODELS_URL.",
        example="\n".join(
            [
                f"export OPENCODE_MODELS_URL={shlex.quote(place.address)}",
                "opencode models --refresh",
                f'opencode run --model {shlex.quote(name)} "Hello"',
            ]
        ),
    )


def _crush(said: Model, told: Json, place: Place) -> _Way:
    del told
    chosen = json.dumps({"provider": place.provider.key, "model": said.id}, ensure_ascii=False)
    return _Way(
        name=said.id,
        note=f"Started with CATWALK_URL={place.address}, and this in crush.json:",
        example=f'{{"models": {{"large": {chosen}}}}}',
    )


def _litellm(said: Model, told: Json, place: Place) -> _Way:
    del said
    name = str(told["litellm_params"]["model"])
    prices = quoted(f"{place.address}/model_prices_and_context_window.json")
    lines = [
        "import litellm, requests",
        "",
        f"litellm.register_model(requests.get({prices}).json())",
    ]
    if told["model_info"].get("mode") == "chat":
        lines += [
            f"litellm.completion(model={quoted(name)},",
            f"                   api_base={quoted(place.provider.url)},",
            f"                   messages={_message()})",
        ]
    return _Way(
        name=name,
        note="aider takes the same name, and the document by --model-metadata-file.",
        example="\n".join(lines),
    )


def _proxy(said: Model, told: Json, place: Place) -> _Way:
    del told
    return _Way(
        name=said.id,
        note=f"With {place.address} as the address of the LiteLLM proxy, for limits and prices.",
    )


def _genai_prices(said: Model, told: Json, place: Place) -> _Way:
    del told
    prices = quoted(f"{place.address}/genai-prices/data.json")
    return _Way(
        name=said.id,
        note="Counts what a call has cost.",
        example="\n".join(
            [
                "from genai_prices import UpdatePrices, Usage, calc_price",
                "",
                f"UpdatePrices(url={prices}).start(wait=True)",
                "calc_price(Usage(input_tokens=8000, output_tokens=1000),",
                f"           model_ref={quoted(said.id)},",
                f"           provider_id={quoted(place.provider.key)})",
            ]
        ),
    )


def _ollama(said: Model, told: Json, place: Place) -> _Way:
    del told
    return _Way(
        name=said.id,
        note="Shows its context window and abilities; nothing runs here.",
        example=f"ollama.Client(host={quoted(place.address)}).show({quoted(said.id)})",
    )


def _codex(said: Model, told: Json, place: Place) -> _Way:
    del told
    return _Way(
        name=said.id,
        note='After model_catalog_json = "/path/codex.json" in its config.toml, with the gateway '
        "as the model provider.",
        example="\n".join(
            [
                f"curl -s {shlex.quote(f'{place.address}/codex/models')} > codex.json",
                f"codex --model {shlex.quote(said.id)}",
            ]
        ),
    )


def _openclaw(said: Model, told: Json, place: Place) -> _Way:
    del told
    return _Way(
        name=f"{place.provider.key}/{said.id}",
        note="After its configuration was merged with this:",
        example=f"curl -s {shlex.quote(f'{place.address}/openclaw.json')}",
    )


def _vercel(said: Model, told: Json, place: Place) -> _Way:
    del told
    base = json.dumps(f"{place.address}/v4/ai")
    return _Way(
        name=said.id,
        note="Only in the list: its chats go where the list is read from.",
        example=f'createGateway({{baseURL: {base}, apiKey: "any"}}).getAvailableModels()',
    )


def _llm(said: Model, told: Json, place: Place) -> _Way:
    del said
    name = str(told["model_id"])
    source = shlex.quote(f"{place.address}/llm/extra-openai-models.yaml")
    return _Way(
        name=name,
        note=f"Its key is stored by: llm keys set {told['api_key_name']}",
        example="\n".join(
            [
                f"curl -s {source} \\",
                '  > "$(dirname "$(llm logs path)")/extra-openai-models.yaml"',
                f'llm -m {shlex.quote(name)} "Hello"',
            ]
        ),
    )


_MAKERS: Final[Mapping[str, _Maker]] = {
    "openai": _Maker("OpenAI's, OpenRouter's and Anthropic's SDKs", _openai),
    "models-dev": _Maker("opencode, Kilo CLI", _opencode),
    "catwalk": _Maker("Crush", _crush),
    "litellm": _Maker("LiteLLM, aider", _litellm),
    "litellm-proxy": _Maker("Roo Code, Cline (as a LiteLLM proxy)", _proxy),
    "genai-prices": _Maker("genai-prices, Pydantic AI", _genai_prices),
    "ollama": _Maker("Ollama's libraries", _ollama),
    "codex": _Maker("Codex CLI", _codex),
    "openclaw": _Maker("OpenClaw", _openclaw),
    "vercel": _Maker("Vercel's AI SDK", _vercel),
    "llm": _Maker("llm, the command-line tool", _llm),
}


def told(all_uses: Iterable[Use]) -> tuple[list[Use], list[Use]]:
    """Those that tell it, and those that do not."""
    found = list(all_uses)
    return [one for one in found if one.name], [one for one in found if not one.name]
