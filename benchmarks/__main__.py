"""`make bench`: throughput against bare aiohttp, latency during a refresh, memory, start."""

import argparse
import asyncio
import os
import statistics
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks import lists, load, pages, servers, year
from benchmarks.servers import Server

ROWS, MANY_ROWS = 348, 10_000
GZIP = {"Accept-Encoding": "gzip"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each pair [9]")
    parts = ["serve", "query", "refresh", "page", "year"]
    parser.add_argument("--only", choices=parts, help="part of it; the last two only by name")
    chosen = parser.parse_args()
    rounds, only = chosen.rounds, chosen.only
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if only == "page":  # a person's browser and the service share what there is
            pages.report(folder, rounds, ROWS)
            return
        os.sched_setaffinity(0, servers.LOAD_CORES)
        print(f"servers on core {servers.SERVER_CORE}, load on {servers.LOAD_CORES}\n")
        if only in {None, "serve"}:
            serving(folder, rounds)
        if only in {None, "query"}:
            querying(folder, rounds)
        if only in {None, "refresh"}:
            refreshing(folder)
        if only == "year":  # takes minutes, so it is asked for by name
            year.report(folder)


def serving(folder: Path, rounds: int) -> None:
    """Start, memory, and throughput of `/catalog/models` with 348 rows."""
    body = folder / "list.json"
    body.write_bytes(lists.make(ROWS))
    with servers.gateway(body) as url, servers.catalog(folder, url) as service:
        refresh(service)
        print(f"start to listening, empty database   {service.seconds_to_listen:8.2f} s")
        print(f"resident memory, {ROWS + 1} rows           {service.resident_mb:8.0f} MB\n")
        throughput(folder, service, rounds)
        print(f"\nresident memory after that load      {service.resident_mb:8.0f} MB")
    with servers.gateway(body) as url, servers.catalog(folder, url) as service:
        print(f"start to listening, warm database    {service.seconds_to_listen:8.2f} s\n")


def throughput(folder: Path, service: Server, rounds: int) -> None:
    """Ours and bare aiohttp in turn, so that a slow moment of the machine hits both."""
    asked = load.request("/catalog/models", service.port, GZIP)
    whole = asyncio.run(load.first(service.port, asked))
    conditional = GZIP | {"If-None-Match": whole.headers["etag"]}
    asked_again = load.request("/catalog/models", service.port, conditional)
    not_modified = asyncio.run(load.first(service.port, asked_again))
    with servers.bare(folder, [whole, not_modified]) as bare:
        compare(
            f"200, gzip, {len(whole.body) // 1024} kB",
            rater(service.port, asked),
            rater(bare.port, load.request("/200", bare.port, GZIP)),
            rounds,
        )
        compare(
            "304",
            rater(service.port, asked_again),
            rater(bare.port, load.request("/304", bare.port, conditional)),
            rounds,
        )


def rater(port: int, asked: bytes) -> Callable[[], float]:
    size = asyncio.run(load.first(port, asked)).size_bytes
    return lambda: load.rate(port, asked, size, seconds=0.4)


def compare(name: str, ours: Callable[[], float], bare: Callable[[], float], rounds: int) -> None:
    pairs = [(ours(), bare()) for _ in range(rounds)]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{name:20s} {mine:7.0f}/s, bare aiohttp {theirs:7.0f}/s, ratio {ratio:.2f}")


def querying(folder: Path, rounds: int) -> None:
    """Answers to questions: made for the first time, and asked for again."""
    for rows in (ROWS, MANY_ROWS):
        body = folder / f"list-{rows}.json"
        body.write_bytes(lists.make(rows))
        (folder / "catalog.db").unlink(missing_ok=True)
        with servers.gateway(body) as url, servers.catalog(folder, url) as service:
            refresh(service)
            for name, question in QUESTIONS.items():
                latencies = asyncio.run(load.latencies(service.port, map(question, range(ANEW))))
                median = statistics.median(latencies)
                print(
                    f"{rows:6d} models, {name:24s} made anew, there and back {1e3 * median:6.2f} ms"
                )
            if rows == ROWS:
                repeated(folder, service, rounds)
    print()


def repeated(folder: Path, service: Server, rounds: int) -> None:
    """The same question again and again, against bare aiohttp with the same answer."""
    path = FILTERED.format(100)
    asked = load.request(path, service.port, GZIP)
    whole = asyncio.run(load.first(service.port, asked))
    with servers.bare(folder, [whole]) as bare:
        compare(
            f"asked again, {len(whole.body) // 1024} kB",
            rater(service.port, asked),
            rater(bare.port, load.request("/200", bare.port, GZIP)),
            rounds,
        )


FILTERED = "/catalog/models?tools=true&minContext=128k&maxInputCost={}&sort=cost.input&limit=50"
ANEW = 200
"""Questions of a kind, all of them different."""
QUESTIONS: dict[str, Callable[[int], str]] = {
    "filtered and sorted": lambda number: FILTERED.format(100 + number),
    "three words": lambda number: f"/catalog/models?q=orrery+meridian+{number}&limit=50",
    "a word with a typo": lambda number: f"/catalog/models?q=meridain&limit={number + 1}",
    "facets": lambda number: f"/catalog/facets?tools=true&maxInputCost={100 + number}",
    "pick": lambda number: f"/catalog/pick?tools=true&maxInputCost={100 + number}",
}


def refreshing(folder: Path) -> None:
    """Latency of one model while lists of 10 000 entries are refreshed."""
    files = [folder / f"many-{generation}.json" for generation in range(2)]
    for generation, file in enumerate(files):
        file.write_bytes(lists.make(MANY_ROWS, generation=generation))
    (folder / "catalog.db").unlink(missing_ok=True)
    cores = servers.SERVER_CORE | servers.LOAD_CORES
    with servers.gateway(files[0]) as url, servers.catalog(folder, url, cores) as service:
        measure("first list", service)
        swap(url, files[1])
        measure("every price changed", service)
        swap(url, files[0])
        measure("and changed back", service)
        swap(url, files[0], drop_validators=True)
        measure("nothing changed", service)
        print(f"resident memory, {MANY_ROWS + 1} rows        {service.resident_mb:8.0f} MB")


def measure(name: str, service: Server) -> None:
    latencies, refreshed = asyncio.run(_probed(service))
    outcome = refreshed["outcome"]
    worst = sorted(latencies)
    p50, p99 = worst[len(worst) // 2], worst[int(len(worst) * 0.99)]
    print(
        f"{MANY_ROWS} entries, {name:19s} {outcome:9s} "
        f"GET of one model p50 {1e3 * p50:5.1f} ms, p99 {1e3 * p99:5.1f} ms, "
        f"worst {1e3 * worst[-1]:5.1f} ms, of {len(worst)}"
    )


async def _probed(service: Server) -> tuple[list[float], dict[str, str]]:
    done = asyncio.Event()
    asked = load.request("/catalog/models/kilo/auto", service.port, {})
    probing = asyncio.create_task(load.probe(service.port, asked, every_seconds=0.005, until=done))
    outcome = await asyncio.to_thread(refresh, service)
    done.set()
    return await probing, outcome


def refresh(service: Server) -> dict[str, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/catalog/refresh",
        method="POST",
        headers={"Authorization": f"Bearer {servers.TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return dict(orjson.loads(answer.read()))


def swap(gateway_url: str, file: Path, *, drop_validators: bool = False) -> None:
    if drop_validators:
        file.write_bytes(file.read_bytes() + b"\n")
    base = gateway_url.partition("/api/")[0]
    request = urllib.request.Request(  # noqa: S310 — loopback
        f"{base}/_replay", data=orjson.dumps({"file": str(file)}), method="POST"
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


if __name__ == "__main__":
    main()
