"""The settings: one frozen object, made once, and the only reader of the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.errors import SettingError

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
    known = [*map(variable, Settings.model_fields), PREFIX + "CONFIG"]
    unknown = [name for name in os.environ if name.startswith(PREFIX) and name not in known]
    return {name: next(iter(get_close_matches(name, known, n=1)), None) for name in unknown}


def _info(name: str) -> SettingInfo:
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    accepts = extra["accepts"] if isinstance(extra, dict) else ""
    default = field.default if field.default_factory is None else None
    return SettingInfo(
        variable=variable(name),
        default=""
        if default is None
        else f"{default:g}"
        if isinstance(default, float)
        else str(default),
        description=field.description or "",
        accepts=str(accepts),
    )


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
    names = dict.fromkeys(
        by_alias.get(str(item["loc"][0]), str(item["loc"][0])) for item in error.errors()
    )
    return [(variable(name), f"accepts {_info(name).accepts}") for name in names]
