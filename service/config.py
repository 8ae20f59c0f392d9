"""The settings: one frozen object, made once, and the only reader of the environment."""

import base64
import binascii
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.catalog import Kind
from service.diff import TOPICS, Wanted, fields_of
from service.errors import SettingError
from service.fields import Topic

PREFIX = "MODEL_CATALOG_"
APP_NAME = "model-catalog"

_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.ASCII)


def _seconds(value: object) -> object:
    """`900`, `15m`, `24h`, `7d` → seconds."""
    if not isinstance(value, str):
        return value
    if not (match := _DURATION.fullmatch(value.strip())):
        raise ValueError(value)
    return float(match[1]) * _UNIT_SECONDS[match[2]]


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port  # raises ValueError when it is not a number
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(value)
    if "@" in parts.netloc or re.search(r"[?#\\\s]", value):
        raise ValueError(value)
    return value.rstrip("/") + "/"


def _public_url(value: str | None) -> str | None:
    """Without a slash at the end, as paths are appended."""
    return value and _base_url(value).rstrip("/")


_SQLITE_URL = re.compile(r"sqlite(?:\+aiosqlite)?:///(?P<path>[^?#]+)")


def _sqlite_url(value: str) -> str:
    match = _SQLITE_URL.fullmatch(value)
    if not match or match["path"] == ":memory:":
        raise ValueError(value)
    return f"sqlite+aiosqlite:///{match['path']}"


def _header_safe(value: object) -> object:
    """A secret that can stand in a header; a blank one is none."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    if not re.fullmatch(r"[\x21-\x7e]+", value.strip()):
        raise ValueError
    return value.strip()


# A longer one is past what dates can count, and would break only later.
Seconds = Annotated[float, BeforeValidator(_seconds), Field(le=36_500 * 86_400)]
Secret = Annotated[SecretStr | None, BeforeValidator(_header_safe)]

_DURATION_FORM = "seconds, or a number with s, m, h or d (900, 15m, 24h; at most 36500d)"
_PRINTABLE = "printable ASCII characters without spaces"


def _setting(default: object, description: str, accepts: str, **constraints: Any) -> Any:  # noqa: ANN401 — pydantic's Field is typed so
    return Field(
        default, description=description, json_schema_extra={"accepts": accepts}, **constraints
    )


def _default_database_url() -> str:
    return f"sqlite+aiosqlite:///{user_data_path(APP_NAME) / 'catalog.db'}"


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────

_SAID = "said"
"""The type of an error that has its own words, beside those of what a setting accepts."""
_KEY_BYTES = range(24, 65)
"""How long the key of a Standard Webhooks secret may be."""
_MAX_MODELS = 100


def _said(text: str, place: tuple[int | str, ...] = ()) -> PydanticCustomError:
    """An error in these words. `place` leads to what is wrong inside of the value."""
    return PydanticCustomError(_SAID, "{text}", {"text": text, "place": place})


def _word(read: Callable[[str], object], known: Iterable[str]) -> BeforeValidator:
    """A word that can be read; the nearest known one is named where it cannot."""
    words = tuple(known)

    def check(value: object) -> object:
        try:
            read(str(value))
        except ValueError:
            for near in get_close_matches(str(value), words, n=1):
                text = f"there is no {str(value)[:50]!r}; did you mean {near}?"
                raise _said(text) from None
            raise
        return value

    return BeforeValidator(check)


def _hook_url(value: str) -> str:
    parts = urlsplit(value)
    _ = parts.port  # raises ValueError when it is not a number
    host = parts.hostname or ""
    host.encode("idna")  # raises UnicodeError, which is a ValueError, when no host has such a name
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError
    if "@" in parts.netloc or re.search(r"[#\\\s]", value):
        raise ValueError
    return value


def _signing_secret(value: object) -> object:
    if not isinstance(value, str) or not value.startswith("whsec_"):
        raise ValueError
    text = value.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError from None
    if len(key) not in _KEY_BYTES:
        raise ValueError
    return value


class Webhook(BaseModel):
    """Where changes are sent to, signed with what, and which of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = _setting(
        ..., "What it is called in status, metrics and the log. A new name begins at the present.",
        "1 to 64 of a-z, 0-9 and -", pattern="^[a-z0-9-]{1,64}$",
    )  # fmt: skip
    url: Annotated[str, AfterValidator(_hook_url)] = _setting(
        ..., "Where messages are posted to. Only its host is ever shown, as paths can be secrets.",
        "an http:// or https:// URL without fragment or credentials", repr=False,
    )  # fmt: skip
    secret: Annotated[SecretStr, BeforeValidator(_signing_secret)] = _setting(
        ..., "What messages are signed with, as Standard Webhooks says.",
        "whsec_ and the base64 of 24 to 64 random bytes",
    )  # fmt: skip
    kind: tuple[Annotated[Kind, _word(Kind, Kind)], ...] = _setting(
        (), "Only changes of these kinds.", f"a list of {', '.join(Kind)}"
    )
    field: tuple[Annotated[str, _word(fields_of, [*Topic, "cost", *TOPICS])], ...] = _setting(
        (), "Only changes of these fields.",
        f"a list of {', '.join(Topic)}, or fields such as cost.input",
    )  # fmt: skip
    model: tuple[Annotated[str, Field(min_length=1, max_length=400)], ...] = _setting(
        (), "Only changes of these models.",
        f"a list of up to {_MAX_MODELS} ids or refs, in which * stands for any characters",
        max_length=_MAX_MODELS,
    )  # fmt: skip

    @property
    def origin(self) -> str:
        """Scheme and host of its URL: what may be shown."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def wanted(self) -> Wanted:
        """Which changes it is told."""
        return Wanted(
            kinds=frozenset(self.kind),
            fields=frozenset(path for name in self.field for path in fields_of(name)),
            models=frozenset(self.model),
        )


def _tables(value: object) -> object:
    """A variable of the environment holds them as JSON."""
    return json.loads(value) if isinstance(value, str) else value


def _named_once(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    first: dict[str, int] = {}
    for index, webhook in enumerate(webhooks):
        if (other := first.setdefault(webhook.name, index)) != index:
            raise _said(f"is the name of webhooks[{other}] too", (index, "name"))
    return webhooks


Webhooks = Annotated[
    tuple[Webhook, ...], NoDecode, BeforeValidator(_tables), AfterValidator(_named_once)
]


# ── all of them ───────────────────────────────────────────────────────────────────────────────


class Settings(BaseSettings):
    """Everything a person can set. The environment's names carry the prefix `MODEL_CATALOG_`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    gateway_url: Annotated[str, AfterValidator(_base_url)] = _setting(
        "https://api.kilo.ai/api/gateway/",
        "Base URL of the gateway; `models` is appended.",
        "an http:// or https:// URL without query, fragment or credentials",
    )
    kilocode_api_key: Secret = _setting(
        None,
        "Optional key of the gateway, sent as a Bearer token to its own origin only.",
        _PRINTABLE,
        validation_alias="KILOCODE_API_KEY",
    )
    database_url: Annotated[str, AfterValidator(_sqlite_url)] = Field(
        default_factory=_default_database_url,
        description="Where the catalog is kept; by default in the user's data directory.",
        json_schema_extra={"accepts": "sqlite:///FILE (four slashes for an absolute path)"},
    )
    host: str = _setting(
        "127.0.0.1", "Address to listen on.", "a host name or an IP address", min_length=1
    )
    port: int = _setting(
        8788, "Port to listen on; 0 takes a free one.", "a whole number from 0 to 65535",
        ge=0, le=65_535,
    )  # fmt: skip
    public_url: Annotated[str | None, AfterValidator(_public_url)] = _setting(
        None, "Address at which others reach the service, for links in feeds.",
        "an http:// or https:// URL without query, fragment or credentials",
    )  # fmt: skip
    stream_limit: int = _setting(
        500, "Streams of changes that may be open at a time; more get 503.",
        "a whole number from 0 to 100000", ge=0, le=100_000,
    )  # fmt: skip
    refresh_interval: Seconds = _setting(
        900.0, "Time between refreshes, and up to a tenth more.", f"{_DURATION_FORM}, at least 1",
        ge=1, allow_inf_nan=False,
    )  # fmt: skip
    refresh_deadline: Seconds = _setting(
        30.0, "Time one whole fetch may take.", f"{_DURATION_FORM}, more than 0",
        gt=0, allow_inf_nan=False,
    )  # fmt: skip
    retry_after_max: Seconds = _setting(
        3600.0, "Longest `Retry-After` of the gateway that is obeyed.", _DURATION_FORM,
        ge=0, allow_inf_nan=False,
    )  # fmt: skip
    max_body_bytes: int = _setting(
        64 * 2**20, "Largest list that is read, compressed and inflated.",
        "a whole number of bytes, at least 1024", ge=1024,
    )  # fmt: skip
    removal_grace: Seconds = _setting(
        86_400.0, "How long a model may be absent before it is `removed`.", _DURATION_FORM,
        ge=0, allow_inf_nan=False,
    )  # fmt: skip
    stale_after: Seconds | None = _setting(
        None, "Age of the last good check from which answers say `Catalog-Stale: true`. "
        "Default: three intervals.", f"{_DURATION_FORM}, more than 0", gt=0, allow_inf_nan=False,
    )  # fmt: skip
    cache_max_age: Seconds = _setting(
        60.0, "How long clients and proxies may reuse an answer without asking.",
        "seconds, or a number with s, m, h or d (60, 5m, 1h; at most 365d)", ge=0, le=31_536_000,
    )  # fmt: skip
    refresh_log_keep: Seconds = _setting(
        90 * 86_400.0, "How long the log of refreshes is kept; versions and changes are for ever.",
        _DURATION_FORM, ge=0, allow_inf_nan=False,
    )  # fmt: skip
    webhooks: Webhooks = _setting(
        (), "Where changes are sent to; see docs/webhooks.md.",
        "tables `[[webhooks]]` in the file, or a JSON list of objects",
    )  # fmt: skip
    webhook_log_keep: Seconds = _setting(
        30 * 86_400.0, "How long messages to webhooks are kept that were delivered or given up.",
        _DURATION_FORM, ge=0, allow_inf_nan=False,
    )  # fmt: skip
    admin_token: Secret = _setting(
        None, "Bearer token of `POST /catalog/refresh`; without it that path is off.",
        _PRINTABLE,
    )  # fmt: skip
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least severe log line that is written.", "debug, info, warning or error"
    )
    log_format: Literal["auto", "text", "json"] = _setting(
        "auto", "Form of log lines; `auto` is text on a terminal, JSON elsewhere.",
        "auto, text or json",
    )  # fmt: skip

    @property
    def models_url(self) -> str:
        """The address of the gateway's list."""
        return f"{self.gateway_url}models"

    @property
    def inference_url(self) -> str:
        """The base address to which chats are sent, without a slash at its end."""
        return self.gateway_url.rstrip("/")

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return Path(self.database_url.removeprefix("sqlite+aiosqlite:///"))

    @property
    def stale_after_seconds(self) -> float:
        """Age of the last good check from which the catalog is called stale."""
        return self.stale_after or 3 * self.refresh_interval

    @classmethod
    def load(cls, flags: Mapping[str, object], config_file: Path | None = None) -> Self:
        """Flags win over the environment, which wins over the TOML file.

        Raises SettingError that names each bad setting and the form it accepts.
        """
        file_values = _read_toml(config_file)
        _refuse_unknown_keys(file_values, cls)

        class Layered(cls):  # type: ignore[valid-type, misc]  # the file's layer is known only now
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                del dotenv_settings, file_secret_settings
                file_settings = InitSettingsSource(settings_cls, init_kwargs=file_values)
                return init_settings, env_settings, file_settings

        try:
            return Layered(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            raise SettingError(_problems(error, cls)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInfo:
    """What the documentation and an error say of one setting."""

    variable: str
    default: str
    description: str
    accepts: str


def describe() -> list[SettingInfo]:
    """Every setting, in the order of the documentation."""
    return [_info(name) for name in Settings.model_fields]


def variable(name: str) -> str:
    """The environment's name of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def misspelt_variables() -> dict[str, str | None]:
    """Variables that carry our prefix and are no settings, each with the nearest that is one.

    Not an error: Kubernetes makes such variables itself for a service called `model-catalog`.
    """
    variables = [*map(variable, Settings.model_fields), PREFIX + "CONFIG"]
    known = {name.removeprefix(PREFIX): name for name in variables}  # all prefixes look alike
    unknown = [name for name in os.environ if name.startswith(PREFIX) and name not in variables]
    near = {name: get_close_matches(name.removeprefix(PREFIX), known, n=1) for name in unknown}
    return {name: known[found[0]] if found else None for name, found in near.items()}


def _info(name: str) -> SettingInfo:
    field = Settings.model_fields[name]
    default = field.default if field.default_factory is None else None
    return SettingInfo(
        variable=variable(name),
        default=_default_text(default),
        description=field.description or "",
        accepts=_accepts(field),
    )


def _accepts(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["accepts"]) if isinstance(extra, dict) else ""


def _default_text(default: object) -> str:
    if default in (None, ()):
        return ""
    return f"{default:.15g}" if isinstance(default, float) else str(default)


def _config_file(chosen: Path | None) -> Path | None:
    if chosen is None and (named := os.environ.get(PREFIX + "CONFIG")):
        chosen = Path(named)
    if chosen is not None:
        return chosen
    usual = user_config_path(APP_NAME) / "config.toml"
    return usual if usual.is_file() else None


def _read_toml(chosen: Path | None) -> dict[str, Any]:
    path = _config_file(chosen)
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"{path} cannot be read as TOML: {error}"
        raise SettingError([(PREFIX + "CONFIG (--config)", problem)]) from None


def _refuse_unknown_keys(values: Mapping[str, object], cls: type[Settings]) -> None:
    unknown = [key for key in values if key not in cls.model_fields]
    if unknown:
        raise SettingError([(key, _unknown_key(key, cls)) for key in unknown])


def _unknown_key(key: str, cls: type[Settings]) -> str:
    near = get_close_matches(key, cls.model_fields, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"no such setting in the TOML file{hint}"


def _problems(error: ValidationError, cls: type[Settings]) -> list[tuple[str, str]]:
    by_alias = {field.validation_alias or name: name for name, field in cls.model_fields.items()}
    found = [
        _problem(by_alias.get(str(item["loc"][0]), str(item["loc"][0])), item)
        for item in error.errors()
    ]
    return list(dict.fromkeys(found))


def _problem(name: str, item: ErrorDetails) -> tuple[str, str]:
    """The setting, or the place inside of it, and what is wrong with it."""
    facts = item.get("ctx", {}) if item["type"] == _SAID else {}
    place = (*item["loc"][1:], *facts.get("place", ()))
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return name + where if place else variable(name), facts.get("text") or _wrong(name, place, item)


def _wrong(name: str, place: tuple[int | str, ...], item: ErrorDetails) -> str:
    match place:
        case ():
            return f"accepts {_info(name).accepts}"
        case (_, str() as key, *_) if key in Webhook.model_fields:
            missing = "is missing; " if item["type"] == "missing" else ""
            return f"{missing}accepts {_accepts(Webhook.model_fields[key])}"
        case (_, str() as key, *_):
            near = get_close_matches(key, Webhook.model_fields, n=1)
            return "no such key" + (f"; did you mean {near[0]}?" if near else "")
        case _:
            return f"accepts a table with the keys {', '.join(Webhook.model_fields)}"
