"""The settings: where they come from, what wins, and how a bad one is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from pydantic import ValidationError

from service.catalog import Kind
from service.config import Settings, Webhook, describe, misspelt_variables, variable
from service.diff import ANY, fields_of
from service.errors import SettingError
from service.fields import Topic

BAD: Final[dict[str, list[str]]] = {
    "gateway_url": [
        "",
        "api.kilo.ai",
        "//api.kilo.ai",
        "/api",
        "ftp://api.kilo.ai",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "https://api.kilo.ai/?key=1",
        "https://api.kilo.ai/?",
        "https://api.kilo.ai/#top",
        "https://api.kilo.ai/#",
        "https://user:password@api.kilo.ai/",
        "https://user@api.kilo.ai/",
        "https://@api.kilo.ai/",
        "https://api.kilo.ai:port/",
        "https://api.kilo.ai:65536/",
        "https://[::1/",
        " https://api.kilo.ai/",
        "https://api.kilo.ai/ ",
        "https://api kilo.ai/",
        "https://api.kilo.ai\\@evil.example/",
    ],
    "kilocode_api_key": ["two words", "nöt-ascii", "line\nfeed", "tab\tbed"],
    "database_url": [
        "",
        "/var/lib/catalog.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:////var/lib/catalog.db?mode=ro",
        "postgresql://localhost/catalog",
    ],
    "host": [""],
    "port": ["", "-1", "65536", "80.5", "http", "0x50"],
    "public_url": ["catalog.example", "ftp://catalog.example", "https://u:p@catalog.example/", "/"],
    "stream_limit": ["", "-1", "100001", "many"],
    "refresh_interval": ["", "0", "0.5", "-1", "soon", "1e3", "5w", "15M", "nan", "٣", "36501d"],
    "refresh_deadline": ["", "0", "-1", "soon", "inf", "36501d"],
    "retry_after_max": ["", "-1", "soon", "inf", "36501d"],
    "max_body_bytes": ["", "1023", "-1", "64MB", "1e6"],
    "removal_grace": ["", "-1", "soon", "nan", "99999999999d"],
    "stale_after": ["", "0", "-1", "soon", "inf", "36501d"],
    "cache_max_age": ["", "-1", "soon", "nan", "366d"],
    "refresh_log_keep": ["", "-1", "soon", "nan", "36501d"],
    "webhooks": ["", "prices", "{}", "4", "null", '"prices"', '{"name": "prices"}'],
    "webhook_log_keep": ["", "-1", "soon", "inf", "36501d"],
    "admin_token": ["two words", "nöt-ascii", "line\nfeed"],
    "log_level": ["", "INFO", "verbose"],
    "log_format": ["", "JSON", "xml"],
}  # fmt: skip

GOOD: Final[dict[str, dict[str, object]]] = {
    "gateway_url": {
        "http://localhost:8789/api": "http://localhost:8789/api/",
        "https://[::1]/": "https://[::1]/",
        "https://api.kilo.ai/a%20b//": "https://api.kilo.ai/a%20b/",
    },
    "database_url": {
        "sqlite:////var/lib/a.db": "sqlite+aiosqlite:////var/lib/a.db",
        "sqlite:///a.db": "sqlite+aiosqlite:///a.db",
        "sqlite+aiosqlite:////var/a b.db": "sqlite+aiosqlite:////var/a b.db",
    },
    "host": {"::": "::", "catalog.example": "catalog.example"},
    "port": {"0": 0, "65535": 65_535},
    "public_url": {"https://catalog.example/": "https://catalog.example"},
    "stream_limit": {"0": 0, "100000": 100_000},
    "refresh_interval": {
        "1": 1.0,
        "900": 900.0,
        "900s": 900.0,
        "15m": 900.0,
        "24h": 86_400.0,
        "7d": 604_800.0,
        "1.5 h": 5_400.0,
        " 90 ": 90.0,
        "36500d": 3_153_600_000.0,
    },
    "refresh_deadline": {"0.5": 0.5},
    "retry_after_max": {"0": 0.0},
    "max_body_bytes": {"1024": 1024},
    "removal_grace": {"0": 0.0, "2d": 172_800.0},
    "stale_after": {"1h": 3600.0},
    "cache_max_age": {"0": 0.0, "365d": 31_536_000.0},
    "refresh_log_keep": {"0": 0.0, "30d": 2_592_000.0},
    "webhook_log_keep": {"0": 0.0, "7d": 604_800.0},
    "log_level": {"debug": "debug"},
    "log_format": {"text": "text"},
}


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "settings.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def refused(flags: dict[str, object], file: Path | None = None) -> list[tuple[str, str]]:
    with pytest.raises(SettingError) as caught:
        Settings.load(flags, file)
    return caught.value.problems


def accepts(name: str) -> str:
    return next(info.accepts for info in describe() if info.variable == variable(name))


# ── where they come from ──────────────────────────────────────────────────────────────────────


def test_with_nothing_set_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    settings = Settings.load({})

    assert settings.models_url == "https://api.kilo.ai/api/gateway/models"
    assert (settings.host, settings.port) == ("127.0.0.1", 8788)
    assert (settings.refresh_interval, settings.removal_grace) == (900, 86_400)
    assert settings.stale_after_seconds == 2700
    assert settings.kilocode_api_key is settings.admin_token is None
    assert settings.database_path == tmp_path / "home" / "model-catalog" / "catalog.db"


@pytest.mark.parametrize("name", GOOD)
def test_a_variable_sets_what_it_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, value in GOOD[name].items():
        monkeypatch.setenv(variable(name), text)
        assert getattr(Settings.load({}), name) == value


@pytest.mark.parametrize("name", GOOD)
def test_a_flag_sets_what_it_names(name: str) -> None:
    for text, value in GOOD[name].items():
        assert getattr(Settings.load({name: text}), name) == value


@pytest.mark.parametrize("name", GOOD)
def test_a_key_of_the_file_sets_what_it_names(name: str, toml: Callable[[str], Path]) -> None:
    for text, value in GOOD[name].items():
        assert getattr(Settings.load({}, toml(f'{name} = "{text}"')), name) == value


def test_the_file_may_hold_numbers_and_secrets(toml: Callable[[str], Path]) -> None:
    file = toml('port = 1\nrefresh_interval = 60\nkilocode_api_key = "k"\nadmin_token = "t"\n')

    settings = Settings.load({}, file)

    assert (settings.port, settings.refresh_interval) == (1, 60.0)
    assert settings.kilocode_api_key is not None
    assert settings.kilocode_api_key.get_secret_value() == "k"
    assert settings.admin_token is not None
    assert settings.admin_token.get_secret_value() == "t"


def test_flags_win_over_the_environment_which_wins_over_the_file(
    toml: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml('port = 1\nhost = "file"\nlog_level = "error"\nkilocode_api_key = "file"')
    monkeypatch.setenv("MODEL_CATALOG_PORT", "2")
    monkeypatch.setenv("MODEL_CATALOG_HOST", "environment")
    monkeypatch.setenv("KILOCODE_API_KEY", "environment")

    settings = Settings.load({"port": "3", "host": None}, file)

    assert (settings.port, settings.host, settings.log_level) == (3, "environment", "error")
    assert settings.kilocode_api_key is not None
    assert settings.kilocode_api_key.get_secret_value() == "environment"


def test_the_file_is_looked_for_in_the_users_configuration(tmp_path: Path) -> None:
    usual = tmp_path / "home" / "model-catalog" / "config.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text("port = 4")

    assert Settings.load({}).port == 4


def test_the_chosen_file_wins_over_the_named_one_which_wins_over_the_usual_one(
    tmp_path: Path, toml: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = tmp_path / "home" / "model-catalog" / "config.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text("port = 4")
    named = tmp_path / "named.toml"
    named.write_text("port = 5")

    monkeypatch.setenv("MODEL_CATALOG_CONFIG", str(named))
    assert Settings.load({}).port == 5
    assert Settings.load({}, toml("port = 6")).port == 6
    monkeypatch.setenv("MODEL_CATALOG_CONFIG", "")
    assert Settings.load({}).port == 4


def test_settings_do_not_change() -> None:
    settings = Settings.load({})

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that is the point


# ── how they are refused ──────────────────────────────────────────────────────────────────────


def test_every_setting_is_known_to_these_tests() -> None:
    assert list(BAD) == list(Settings.model_fields)
    assert {*GOOD} == {*BAD} - {"kilocode_api_key", "admin_token", "webhooks"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_variable_is_named_with_the_form_it_accepts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in BAD[name]:
        monkeypatch.setenv(variable(name), text)
        assert refused({}) == [(variable(name), f"accepts {accepts(name)}")], text


@pytest.mark.parametrize("name", BAD)
def test_a_bad_key_of_the_file_is_named_with_the_form_it_accepts(
    name: str, toml: Callable[[str], Path]
) -> None:
    values = [*(text for text in BAD[name] if text.isprintable()), None]
    for text in values:
        file = toml(f"{name} = {{}}" if text is None else f"{name} = '{text}'")
        assert refused({}, file) == [(variable(name), f"accepts {accepts(name)}")], text


def test_every_bad_setting_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_CATALOG_PORT", "http")
    monkeypatch.setenv("KILOCODE_API_KEY", "two words")

    problems = refused({"log_level": "loud", "host": ""})

    assert {name for name, _ in problems} == {
        "MODEL_CATALOG_PORT",
        "KILOCODE_API_KEY",
        "MODEL_CATALOG_LOG_LEVEL",
        "MODEL_CATALOG_HOST",
    }


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("prot", "port"), ("refresh_intervall", "refresh_interval"), ("admin-token", "admin_token")],
)
def test_an_unknown_key_of_the_file_is_answered_with_the_nearest(
    key: str, nearest: str, toml: Callable[[str], Path]
) -> None:
    [(name, advice)] = refused({}, toml(f"{key} = 1"))

    assert name == key
    assert advice.endswith(f"did you mean {nearest}?")


def test_a_key_like_no_setting_is_refused_too(toml: Callable[[str], Path]) -> None:
    assert refused({}, toml("[xyzzy]\nport = 1")) == [("xyzzy", "no such setting in the TOML file")]


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, toml: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'host = "\xff"')
    for file in (tmp_path / "none.toml", tmp_path, toml("port ="), latin):
        [(name, problem)] = refused({}, file)
        assert "MODEL_CATALOG_CONFIG" in name
        assert "--config" in name
        assert str(file) in problem

    monkeypatch.setenv("MODEL_CATALOG_CONFIG", str(tmp_path / "none.toml"))
    assert str(tmp_path / "none.toml") in refused({})[0][1]


# ── secrets and misspelt variables ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["KILOCODE_API_KEY", "MODEL_CATALOG_ADMIN_TOKEN"])
def test_a_secret_is_never_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hush-hush")
    settings = Settings.load({})
    for told in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hush" not in told

    monkeypatch.setenv(name, "hush hush")
    with pytest.raises(SettingError) as caught:
        Settings.load({})
    assert name in str(caught.value)
    assert "hush" not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
@pytest.mark.parametrize("name", ["kilocode_api_key", "admin_token"])
def test_a_blank_secret_is_none(name: str, blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(name), blank)

    assert getattr(Settings.load({}), name) is None


def test_the_space_around_a_secret_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILOCODE_API_KEY", " key\n")

    secret = Settings.load({}).kilocode_api_key

    assert secret is not None
    assert secret.get_secret_value() == "key"


def test_a_variable_with_our_prefix_that_is_no_setting_is_told_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert misspelt_variables() == {}
    for info in describe():
        monkeypatch.setenv(info.variable, "")
    monkeypatch.setenv("MODEL_CATALOG_CONFIG", "")
    assert misspelt_variables() == {}

    monkeypatch.setenv("MODEL_CATALOG_PROT", "1")
    monkeypatch.setenv("MODEL_CATALOG_XYZZY_QUUX_FROBNICATE_PLUGH", "1")
    assert misspelt_variables() == {
        "MODEL_CATALOG_PROT": "MODEL_CATALOG_PORT",
        "MODEL_CATALOG_XYZZY_QUUX_FROBNICATE_PLUGH": None,
    }


def test_every_setting_is_described() -> None:
    for info in describe():
        assert info.description.endswith(".")
        assert info.accepts
        assert info.variable.isupper()


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────

HOOK: Final = {
    "name": "prices",
    "url": "https://example.com:8443/hook/hush?token=hush",
    "secret": "whsec_aHVzaCBodXNoIGh1c2ggaHVzaCBodXNo",
}


def hook_problems(**fields: object) -> list[tuple[str, str]]:
    return refused({"webhooks": [HOOK | fields]})


def test_webhooks_are_tables_of_the_file(toml: Callable[[str], Path]) -> None:
    file = toml(
        """
        [[webhooks]]
        name = "prices"
        url = "https://example.com/hook"
        secret = "whsec_aHVzaCBodXNoIGh1c2ggaHVzaCBodXNo"
        kind = ["changed", "added"]
        field = ["price", "contextWindow"]
        model = ["anthropic/*", "kilocode/kilo/auto"]

        [[webhooks]]
        name = "all-of-it"
        url = "http://127.0.0.1:9999"
        secret = "whsec_aHVzaCBodXNoIGh1c2ggaHVzaCBodXNo="
        """
    )

    prices, everything = Settings.load({}, file).webhooks

    assert (prices.name, prices.origin) == ("prices", "https://example.com")
    assert prices.wanted.kinds == {Kind.CHANGED, Kind.ADDED}
    assert prices.wanted.fields == fields_of("price") | {"contextWindow"}
    assert prices.wanted.models == {"anthropic/*", "kilocode/kilo/auto"}
    assert (everything.wanted, everything.origin) == (ANY, "http://127.0.0.1:9999")


def test_webhooks_are_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_CATALOG_WEBHOOKS", json.dumps([HOOK, HOOK | {"name": "other"}]))

    assert [webhook.name for webhook in Settings.load({}).webhooks] == ["prices", "other"]

    monkeypatch.setenv("MODEL_CATALOG_WEBHOOKS", "[]")
    assert Settings.load({}).webhooks == ()


@pytest.mark.parametrize(
    ("field", "bad", "accepted"),
    [
        ("name", ["", "Prices", "a b", "a" * 65, "prices\n", 4], "1 to 64 of a-z, 0-9 and -"),
        (
            "url",
            [
                *("", "example.com", "ftp://example.com", "https://", "//example.com/", 4),
                *("https://example.com/#", "https://example.com/#top", "https://example.com/a b"),
                *("https://hush:hush@example.com/", "https://hush@example.com/"),
                *("https://example.com:port/", "https://example.com:65536/", "https://[::1/"),
                *("https://a..b/", f"https://{'x' * 64}.example/", "https://a\\b/"),
            ],
            "an http:// or https:// URL without fragment or credentials",
        ),
        (
            "secret",
            [
                *("", "hush", "whsec_", "whsec_hush", "whsec_" + "A" * 31, "whsec_" + "A" * 87, 4),
                *("A" * 32, "whsk_" + "A" * 32, "whsec_" + "-" * 32, f"whsec_{'A' * 31}\n"),
            ],
            "whsec_ and the base64 of 24 to 64 random bytes",
        ),
        ("kind", ["changed", {}, 4], "a list of added, changed, missing, removed, returned"),
        (
            "field",
            ["price", {}, 4],
            f"a list of {', '.join(Topic)}, or fields such as cost.input",
        ),
        (
            "model",
            ["a/*", {}, 4, ["a"] * 101],
            "a list of up to 100 ids or refs, in which * stands for any characters",
        ),
    ],
)
def test_what_is_wrong_with_a_webhook_is_told_with_what_it_accepts(
    field: str, bad: list[object], accepted: str
) -> None:
    for value in bad:
        assert hook_problems(**{field: value}) == [(f"webhooks[0].{field}", f"accepts {accepted}")]


@pytest.mark.parametrize(
    ("field", "words", "problems"),
    [
        ("kind", ["added", "chnaged"], ["kind[1]: there is no 'chnaged'; did you mean changed?"]),
        ("kind", ["Added"], ["kind[0]: there is no 'Added'; did you mean added?"]),
        ("field", ["prices"], ["field[0]: there is no 'prices'; did you mean price?"]),
        (
            "field",
            ["cost.inptu", "contextwindow"],
            [
                "field[0]: there is no 'cost.inptu'; did you mean cost.input?",
                "field[1]: there is no 'contextwindow'; did you mean contextWindow?",
            ],
        ),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(
    field: str, words: list[str], problems: list[str]
) -> None:
    told = [f"{name}: {problem}" for name, problem in hook_problems(**{field: words})]

    assert told == [f"webhooks[0].{problem}" for problem in problems]


def test_a_word_like_none_is_told_what_there_is() -> None:
    [(name, problem)] = hook_problems(kind=["xyzzy"])

    assert name == "webhooks[0].kind[0]"
    assert problem == "accepts a list of added, changed, missing, removed, returned"


def test_an_unknown_key_of_a_webhook_is_answered_with_the_nearest() -> None:
    assert hook_problems(kinds=["added"]) == [
        ("webhooks[0].kinds", "no such key; did you mean kind?")
    ]
    assert hook_problems(xyzzy=1) == [("webhooks[0].xyzzy", "no such key")]


def test_a_webhook_needs_a_name_an_address_and_a_secret() -> None:
    problems = refused({"webhooks": [HOOK, {}, "prices"]})

    assert [(name, problem.partition(";")[0]) for name, problem in problems] == [
        ("webhooks[1].name", "is missing"),
        ("webhooks[1].url", "is missing"),
        ("webhooks[1].secret", "is missing"),
        ("webhooks[2]", "accepts a table with the keys name, url, secret, kind, field, model"),
    ]


def test_two_webhooks_have_two_names() -> None:
    assert refused({"webhooks": [HOOK, HOOK | {"name": "other"}, HOOK]}) == [
        ("webhooks[2].name", "is the name of webhooks[0] too")
    ]


def test_neither_the_secret_nor_the_path_of_a_webhook_is_told() -> None:
    settings = Settings.load({"webhooks": [HOOK]})

    for told in (repr(settings), str(settings.webhooks), f"{settings.webhooks[0]}"):
        assert "hush" not in told
        assert "aHVz" not in told
    for field in ("url", "secret"):
        with pytest.raises(SettingError) as caught:
            Settings.load({"webhooks": [HOOK | {field: f"{HOOK[field]} hush#"}]})
        assert "hush" not in repr(caught.value) + str(caught.value)


def test_the_documents_tell_of_every_key_of_a_webhook() -> None:
    text = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text(encoding="utf-8")

    for name, field in Webhook.model_fields.items():
        assert isinstance(field.json_schema_extra, dict)
        accepted = field.json_schema_extra["accepts"]
        assert f"| `{name}` | {accepted} | {field.description} |" in text
