"""One fetch against a real server: every way in which a gateway can answer, and not answer."""

import asyncio
import dataclasses
import gzip
import shutil
import socket
import ssl
import subprocess
import traceback
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given, settings
from hypothesis import strategies as st

import fixtures
from fixtures.faults import Fault
from fixtures.replay import ReplayGateway
from service.catalog import Reason, Validators
from service.errors import RefreshError, UnbelievableError, UnreachableError
from service.gateway import Gateway
from service.headers import retry_after_seconds

MIB = 2**20
OCTOBER = fixtures.path("kilo-2026-10-01.json").read_bytes()
KEY = "sk-a-secret-that-nobody-may-see"
Ask = Callable[..., Gateway]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as opened:
        yield opened


@pytest.fixture
def ask(session: aiohttp.ClientSession) -> Ask:
    """A client of the gateway at a base URL."""

    def make(
        url: str,
        *,
        api_key: str | None = None,
        deadline_seconds: float = 30,
        max_body_bytes: int = MIB,
        over: aiohttp.ClientSession = session,
    ) -> Gateway:
        return Gateway(
            over,
            f"{url}models",
            user_agent="model-catalog/test",
            api_key=api_key,
            deadline_seconds=deadline_seconds,
            max_body_bytes=max_body_bytes,
        )

    return make


def knobs(fault: Fault) -> str:
    """What a fault is, short enough for a test's name."""
    said = {
        field.name: getattr(fault, field.name)
        for field in dataclasses.fields(fault)
        if getattr(fault, field.name) != field.default and field.name != "headers"
    }
    text = ",".join([*said, *map(str, said.values()), *fault.headers.values()])
    return text[:60]


async def refused(asked: Gateway, known: Validators | None = None) -> RefreshError:
    with pytest.raises(RefreshError) as caught:
        await asked.fetch(known)
    return caught.value


def facts(error: RefreshError) -> tuple[type[RefreshError], Reason, bool]:
    return type(error), error.reason, error.is_transient


def lasting(reason: Reason) -> tuple[type[RefreshError], Reason, bool]:
    return UnbelievableError, reason, False


def passing(reason: Reason) -> tuple[type[RefreshError], Reason, bool]:
    return UnbelievableError, reason, True


def unreachable(reason: Reason) -> tuple[type[RefreshError], Reason, bool]:
    return UnreachableError, reason, True


# ── good answers ──────────────────────────────────────────────────────────────────────────────


async def test_a_list_comes_with_its_validators(gateway: ReplayGateway, ask: Ask) -> None:
    fetched = await ask(gateway.url).fetch()

    assert fetched.body == OCTOBER
    assert fetched.http_status == 200
    assert fetched.etag is not None
    assert fetched.etag.startswith('"')
    assert fetched.last_modified is not None
    assert fetched.last_modified.endswith("GMT")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(encoding="none"),
        Fault(encoding="gzip"),
        Fault(encoding="multi-member"),
        Fault(encoding="gzip", headers={"Content-Encoding": "GZIP"}),
        Fault(encoding="gzip", headers={"Content-Encoding": "x-gzip"}),
        Fault(encoding="none", headers={"Content-Encoding": "identity"}),
        Fault(encoding="gzip", drip_bytes=1000, drip_interval_seconds=0),
        Fault(content_type="text/plain"),
        Fault(content_type="application/json; charset=utf-16"),
        Fault(headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT", "Age": "-1"}),
    ],
    ids=knobs,
)
async def test_every_honest_form_of_the_list_is_read_whole(
    gateway: ReplayGateway, ask: Ask, fault: Fault
) -> None:
    gateway.play(fault)

    assert (await ask(gateway.url).fetch()).body == OCTOBER


@pytest.mark.parametrize("body", [b"", b" \n", b"null", b"\xff\xfe{", b"<html>"])
async def test_what_the_bytes_mean_is_not_decided_here(
    gateway: ReplayGateway, ask: Ask, body: bytes
) -> None:
    gateway.play(Fault(body=body, encoding="none"))

    assert (await ask(gateway.url).fetch()).body == body


async def test_a_body_of_exactly_the_bound_is_read(gateway: ReplayGateway, ask: Ask) -> None:
    for encoding in ("none", "gzip", "multi-member"):
        gateway.play(Fault(encoding=encoding))

        fetched = await ask(gateway.url, max_body_bytes=len(OCTOBER)).fetch()

        assert fetched.body == OCTOBER


# ── the request ───────────────────────────────────────────────────────────────────────────────


async def test_the_request_names_the_client_and_asks_for_compressed_json(
    gateway: ReplayGateway, ask: Ask
) -> None:
    await ask(gateway.url).fetch()

    request = gateway.requests[0]
    assert (request.method, request.path) == ("GET", "/api/gateway/models")
    assert request.headers["user-agent"] == "model-catalog/test"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert "if-none-match" not in request.headers
    assert "if-modified-since" not in request.headers


@pytest.mark.parametrize(("key", "sent"), [(None, None), ("", None), (KEY, f"Bearer {KEY}")])
async def test_only_a_key_makes_an_authorization(
    gateway: ReplayGateway, ask: Ask, key: str | None, sent: str | None
) -> None:
    await ask(gateway.url, api_key=key).fetch()

    assert gateway.requests[0].headers.get("authorization") == sent


@pytest.mark.parametrize(
    ("etag", "last_modified"),
    [('"tag"', None), (None, "Thu, 01 Oct 2026 12:00:00 GMT"), ('W/"tag"', "Thu, 01 Oct 2026")],
)
async def test_what_is_known_makes_the_request_conditional(
    gateway: ReplayGateway, ask: Ask, etag: str | None, last_modified: str | None
) -> None:
    gateway.serve(b"another list")

    await ask(gateway.url).fetch(Validators(scope="", etag=etag, last_modified=last_modified))

    headers = gateway.requests[0].headers
    assert headers.get("if-none-match") == etag
    assert headers.get("if-modified-since") == last_modified


async def test_the_scope_belongs_to_one_address_and_one_key(ask: Ask) -> None:
    url = "https://one.example/"
    shared = "k" * 64  # tokens of one issuer begin alike
    scopes = [
        ask(url).scope,
        ask("https://two.example/").scope,
        ask(url, api_key=KEY).scope,
        ask(url, api_key=f"{shared}1").scope,
        ask(url, api_key=f"{shared}2").scope,
    ]

    assert len(set(scopes)) == len(scopes)
    assert ask(url, api_key=KEY).scope == ask(url, api_key=KEY).scope
    assert ask(url, api_key="").scope == ask(url).scope
    assert KEY not in "".join(scopes)


# ── no whole answer ───────────────────────────────────────────────────────────────────────────


async def test_a_name_that_does_not_exist_is_dns(ask: Ask) -> None:
    error = await refused(ask("http://gateway.invalid/", deadline_seconds=20))

    if error.reason is Reason.TIMEOUT:
        pytest.skip("the resolver of this machine does not answer")
    assert facts(error) == unreachable(Reason.DNS)


class _SilentResolver(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise OSError(host, port, family)

    async def close(self) -> None:
        pass


async def test_a_resolver_that_hangs_is_ended_by_the_deadline(ask: Ask) -> None:
    connector = aiohttp.TCPConnector(resolver=_SilentResolver())
    async with aiohttp.ClientSession(connector=connector) as over:
        error = await refused(ask("http://gateway.invalid/", over=over, deadline_seconds=0.1))

    assert facts(error) == unreachable(Reason.TIMEOUT)


def _bound_socket() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def _url(bound: socket.socket, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{bound.getsockname()[1]}/"


async def test_a_refused_connection_is_connect(ask: Ask) -> None:
    with closing(_bound_socket()) as deaf:  # bound, and nobody listens
        assert facts(await refused(ask(_url(deaf)))) == unreachable(Reason.CONNECT)


async def test_a_reset_connection_is_connect(gateway: ReplayGateway, ask: Ask) -> None:
    gateway.play_always(Fault(reset=True))

    assert facts(await refused(ask(gateway.url))) == unreachable(Reason.CONNECT)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_server_that_never_speaks_is_ended_by_the_deadline(ask: Ask, scheme: str) -> None:
    with closing(_bound_socket()) as mute:
        mute.listen()
        error = await refused(ask(_url(mute, scheme), deadline_seconds=0.2))

    assert facts(error) == unreachable(Reason.TIMEOUT)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(hang=True),
        Fault(delay_seconds=60),
        Fault(stall_after_bytes=0),
        Fault(stall_after_bytes=1000),
        Fault(drip_bytes=1, drip_interval_seconds=0.01),
    ],
    ids=knobs,
)
async def test_hang_stall_and_drip_are_ended_by_the_deadline(
    gateway: ReplayGateway, ask: Ask, fault: Fault
) -> None:
    gateway.play_always(fault)

    error = await refused(ask(gateway.url, deadline_seconds=0.3))

    assert facts(error) == unreachable(Reason.TIMEOUT)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(truncate_after_bytes=1000),
        Fault(truncate_after_bytes=1000, encoding="none"),
        Fault(chunked_cut_after_bytes=1000),
        Fault(chunked_cut_after_bytes=1000, encoding="none"),
        Fault(encoding="truncated-gzip"),
        Fault(encoding="gzip-no-crc"),
        pytest.param(Fault(encoding="lying", body=b""), id="no gzip at all"),
        pytest.param(
            Fault(encoding="lying", body=gzip.compress(b"[") + gzip.compress(b"]")[:-4]),
            id="second member cut",
        ),
    ],
    ids=knobs,
)
async def test_a_body_that_ends_early_is_never_a_list(
    gateway: ReplayGateway, ask: Ask, fault: Fault
) -> None:
    gateway.play(fault)

    assert facts(await refused(ask(gateway.url))) == unreachable(Reason.TRUNCATED)


@asynccontextmanager
async def _saying(answer: bytes) -> AsyncIterator[str]:
    """A server that says these bytes to whoever asks, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
    ids=["ssh", "length", "header", "chunk"],
)
async def test_what_is_not_http_is_no_list(ask: Ask, answer: bytes) -> None:
    async with _saying(answer) as url:
        error = await refused(ask(url))

    assert isinstance(error, UnreachableError)
    assert error.reason in {Reason.PROTOCOL, Reason.TRUNCATED}


async def test_a_server_that_hangs_up_at_once_is_connect(ask: Ask) -> None:
    async with _saying(b"") as url:
        assert facts(await refused(ask(url))) == unreachable(Reason.CONNECT)


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a self-signed certificate and its key, in one file, for a name."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")

    def make(name: str) -> Path:
        file = tmp_path / "certificate.pem"
        command = f"{openssl} req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
        options = f"-days 2 -subj /CN=test -addext subjectAltName={name}"
        outputs = ["-keyout", str(tmp_path / "key.pem"), "-out", str(file)]
        subprocess.run(
            [*command.split(), *options.split(), *outputs], check=True, capture_output=True
        )
        file.write_text(file.read_text() + (tmp_path / "key.pem").read_text())
        return file

    return make


def _expired(file: Path, folder: Path) -> Path:
    """The same, signed anew by itself with dates long past."""
    config = folder / "ca.cnf"
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    config.write_text(
        f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder}/index\nserial={folder}/serial\n"
        f"new_certs_dir={folder}\ndefault_md=sha256\npolicy=any\nx509_extensions=names\n"
        "[any]\ncommonName=supplied\n[names]\nsubjectAltName=IP:127.0.0.1\n"
        "[req]\ndistinguished_name=dn\n[dn]\n"
    )
    request, out = folder / "request.pem", folder / "expired.pem"
    subject = ["-subj", "/CN=test", "-config", str(config)]
    dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
    files = ["-keyfile", str(file), "-in", str(request), "-out", str(out)]
    for command in (
        ["req", "-new", "-key", str(file), "-out", str(request), *subject],
        ["ca", "-batch", "-selfsign", "-notext", "-config", str(config), *dates, *files],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    out.write_text(out.read_text() + (folder / "key.pem").read_text())
    return out


@asynccontextmanager
async def _over_tls(file: Path) -> AsyncIterator[ReplayGateway]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    async with ReplayGateway(OCTOBER, ssl_context=context) as gateway:
        yield gateway


async def _trusting(ask: Ask, url: str, file: Path) -> Gateway | RefreshError:
    """What comes of asking with that certificate among the trusted ones."""
    trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=file))
    async with aiohttp.ClientSession(auto_decompress=False, connector=trust) as over:
        asked = ask(url, over=over, api_key=KEY)
        try:
            await asked.fetch()
        except RefreshError as error:
            return error
        return asked


async def test_a_trusted_certificate_of_the_right_host_is_accepted(
    ask: Ask, certificate: Callable[[str], Path]
) -> None:
    file = certificate("IP:127.0.0.1")
    async with _over_tls(file) as gateway:
        assert isinstance(await _trusting(ask, gateway.url, file), Gateway)
        assert gateway.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_self_signed_certificate_is_refused_before_anything_is_sent(
    ask: Ask, certificate: Callable[[str], Path]
) -> None:
    async with _over_tls(certificate("IP:127.0.0.1")) as gateway:
        error = await refused(ask(gateway.url, api_key=KEY))

        assert facts(error) == (UnreachableError, Reason.TLS, False)
        assert "self-signed" in error.detail
        assert gateway.requests == []


async def test_a_certificate_of_another_host_is_refused_before_anything_is_sent(
    ask: Ask, certificate: Callable[[str], Path]
) -> None:
    file = certificate("DNS:elsewhere.example")
    async with _over_tls(file) as gateway:
        error = await _trusting(ask, gateway.url, file)

        assert isinstance(error, UnreachableError)
        assert (error.reason, error.is_transient) == (Reason.TLS, False)
        assert "127.0.0.1" in error.detail
        assert gateway.requests == []


async def test_an_expired_certificate_is_refused_before_anything_is_sent(
    ask: Ask, certificate: Callable[[str], Path], tmp_path: Path
) -> None:
    file = _expired(certificate("IP:127.0.0.1"), tmp_path)
    async with _over_tls(file) as gateway:
        error = await _trusting(ask, gateway.url, file)

        assert isinstance(error, UnreachableError)
        assert (error.reason, error.is_transient) == (Reason.TLS, False)
        assert "expired" in error.detail
        assert gateway.requests == []


async def test_a_plain_port_asked_for_https_is_tls(gateway: ReplayGateway, ask: Ask) -> None:
    error = await refused(ask(gateway.url.replace("http:", "https:")))

    assert facts(error) == (UnreachableError, Reason.TLS, False)
    assert gateway.requests == []


# ── bounds ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault",
    [
        Fault(encoding="none"),
        Fault(encoding="gzip"),
        Fault(encoding="multi-member"),
        Fault(chunked_cut_after_bytes=20_000, encoding="none"),
    ],
    ids=knobs,
)
async def test_a_body_over_the_bound_is_refused(
    gateway: ReplayGateway, ask: Ask, fault: Fault
) -> None:
    gateway.play(fault)
    bound = 10_000 if fault.chunked_cut_after_bytes else len(OCTOBER) - 1

    error = await refused(ask(gateway.url, max_body_bytes=bound))

    assert facts(error) == lasting(Reason.TOO_LARGE)


async def test_compressed_bytes_count_too(gateway: ReplayGateway, ask: Ask) -> None:
    nothing = gzip.compress(b"", mtime=0)  # 20 bytes that inflate to none
    gateway.play(Fault(encoding="lying", body=nothing * 1000))

    error = await refused(ask(gateway.url, max_body_bytes=10_000))

    assert facts(error) == lasting(Reason.TOO_LARGE)


@pytest.fixture
def peak_bytes() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


async def test_a_gzip_bomb_costs_no_more_than_the_bound_twice(
    gateway: ReplayGateway, ask: Ask, peak_bytes: Callable[[], int]
) -> None:
    gateway.play(Fault.bomb(256 * MIB))

    error = await refused(ask(gateway.url, max_body_bytes=4 * MIB))

    assert facts(error) == lasting(Reason.TOO_LARGE)
    assert peak_bytes() < 2 * 4 * MIB + 2 * MIB  # and what the playing server holds itself


@pytest.mark.parametrize("coding", ["br", "x-foo", "deflate", "gzip, gzip", "lying"])
async def test_a_coding_that_was_not_asked_for_is_refused(
    gateway: ReplayGateway, ask: Ask, coding: str
) -> None:
    gateway.play(Fault(encoding=coding))

    assert facts(await refused(ask(gateway.url))) == lasting(Reason.ENCODING)


# ── other answers ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (201, lasting(Reason.STATUS)),
        (203, lasting(Reason.STATUS)),
        (204, passing(Reason.EMPTY_BODY)),
        (206, lasting(Reason.STATUS)),
        (300, lasting(Reason.REDIRECT)),
        (400, lasting(Reason.STATUS)),
        (401, lasting(Reason.AUTH)),
        (403, lasting(Reason.AUTH)),
        (404, lasting(Reason.NOT_FOUND)),
        (405, lasting(Reason.STATUS)),
        (410, lasting(Reason.NOT_FOUND)),
        (429, passing(Reason.RATE_LIMITED)),
        (500, passing(Reason.SERVER_ERROR)),
        (502, passing(Reason.SERVER_ERROR)),
        (503, passing(Reason.SERVER_ERROR)),
        (504, passing(Reason.SERVER_ERROR)),
        (599, passing(Reason.SERVER_ERROR)),
    ],
)
async def test_only_200_is_a_list(
    gateway: ReplayGateway,
    ask: Ask,
    status: int,
    expected: tuple[type[RefreshError], Reason, bool],
) -> None:
    gateway.play(Fault(status=status, body=b"" if status == 204 else OCTOBER))

    error = await refused(ask(gateway.url))

    assert facts(error) == expected
    assert error.http_status == status
    assert error.retry_after_seconds is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_redirect_is_never_followed(
    gateway: ReplayGateway, ask: Ask, status: int, is_elsewhere: bool
) -> None:
    async with ReplayGateway(OCTOBER) as elsewhere:
        target = elsewhere.url if is_elsewhere else gateway.url
        gateway.play(Fault(status=status, redirect_to=f"{target}models"))

        error = await refused(ask(gateway.url, api_key=KEY))

        assert facts(error) == lasting(Reason.REDIRECT)
        assert len(gateway.requests) == 1
        assert elsewhere.requests == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "//169.254.169.254/", "", "http://["])
async def test_a_redirect_to_anything_is_only_a_redirect(
    gateway: ReplayGateway, ask: Ask, target: str
) -> None:
    gateway.play(Fault(redirect_to=target))

    assert facts(await refused(ask(gateway.url))) == lasting(Reason.REDIRECT)


@pytest.mark.parametrize("status", [429, 503, 500, 403])
@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("1000000000", 10**9),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0667", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
async def test_how_long_to_wait_is_read_from_the_answer(
    gateway: ReplayGateway, ask: Ask, status: int, sent: str, seconds: float | None
) -> None:
    gateway.play(Fault.error(status, retry_after=sent))

    assert (await refused(ask(gateway.url))).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("Thu, 01 Oct 2026 12:00:30 GMT", 30),
        ("Thu, 01 Oct 2026 14:00:30 +0200", 30),
        ("Thu, 01 Oct 2026 12:00:30 -0000", 30),
        ("Thu, 01 Oct 2026 12:00:00 GMT", 0),
        ("Thu, 01 Oct 2026 11:59:00 GMT", 0),
        ("Thursday, 01-Oct-26 12:01:00 GMT", 60),
        ("Thu, 99 Oct 2026 12:00:30 GMT", None),
        ("Thu, 01 Oct 99999 12:00:30 GMT", None),
    ],
)
def test_an_http_date_says_how_long_to_wait(sent: str, seconds: float | None) -> None:
    assert retry_after_seconds(sent, datetime(2026, 10, 1, 12, tzinfo=UTC)) == seconds


_DATE_WORDS = st.sampled_from(
    ["Thu,", "01", "Oct", "2026", "0", "99999", "12:00:30", "12:00", "GMT", "+9999", "-9999", ","]
)


@settings(deadline=None)  # a loaded machine is no failure
@given(st.one_of(st.text(), st.lists(_DATE_WORDS).map(" ".join)))
def test_no_text_makes_the_wait_negative_or_raises(sent: str) -> None:
    seconds = retry_after_seconds(sent, datetime(2026, 10, 1, 12, tzinfo=UTC))

    assert seconds is None or seconds >= 0


# ── 304 ───────────────────────────────────────────────────────────────────────────────────────


async def test_304_to_our_tag_says_that_nothing_has_changed(
    gateway: ReplayGateway, ask: Ask
) -> None:
    first = await ask(gateway.url).fetch()
    known = Validators(scope="", etag=first.etag, last_modified=first.last_modified)

    again = await ask(gateway.url).fetch(known)

    assert (again.body, again.http_status) == (None, 304)
    assert (again.etag, again.last_modified) == (first.etag, first.last_modified)


async def test_304_to_our_date_says_that_nothing_has_changed(
    gateway: ReplayGateway, ask: Ask
) -> None:
    first = await ask(gateway.url).fetch()

    again = await ask(gateway.url).fetch(Validators(scope="", last_modified=first.last_modified))

    assert (again.body, again.http_status) == (None, 304)


@pytest.mark.parametrize(("ours", "theirs"), [('"a"', 'W/"a"'), ('W/"a"', '"a"')])
async def test_a_proxy_may_weaken_our_tag(
    gateway: ReplayGateway, ask: Ask, ours: str, theirs: str
) -> None:
    gateway.play(Fault.not_modified(etag=theirs))

    fetched = await ask(gateway.url).fetch(Validators(scope="", etag=ours))

    assert (fetched.body, fetched.etag) == (None, ours)


@pytest.mark.parametrize(
    ("known", "etag"),
    [
        (None, None),
        (None, '"a"'),
        (Validators(scope=""), None),
        (Validators(scope="", etag='"a"'), '"b"'),
    ],
)
async def test_304_for_another_list_than_ours_is_refused(
    gateway: ReplayGateway, ask: Ask, known: Validators | None, etag: str | None
) -> None:
    gateway.play(Fault.not_modified(etag=etag))

    error = await refused(ask(gateway.url), known)

    assert facts(error) == lasting(Reason.UNASKED_304)
    assert len(gateway.requests) == 1


# ── the key ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault",
    [
        Fault(hang=True),
        Fault(reset=True),
        Fault.error(401),
        Fault(redirect_to="http://127.0.0.1:9/"),
        Fault(truncate_after_bytes=10),
        Fault(encoding="lying"),
        Fault(encoding="br"),
        Fault.bomb(2 * MIB),
        Fault.not_modified(),
    ],
    ids=knobs,
)
async def test_no_failure_tells_the_key(gateway: ReplayGateway, ask: Ask, fault: Fault) -> None:
    gateway.play_always(fault)

    error = await refused(ask(gateway.url, api_key=KEY, deadline_seconds=0.3))

    assert gateway.requests[0].headers["authorization"] == f"Bearer {KEY}"
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert KEY not in told


async def test_no_failure_to_connect_tells_the_key(ask: Ask) -> None:
    with closing(_bound_socket()) as deaf:
        error = await refused(ask(_url(deaf), api_key=KEY))

    assert KEY not in "".join(traceback.format_exception(error))
