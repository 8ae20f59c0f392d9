"""Forms as browsers send them without script: their empty fields, too."""

from urllib.parse import parse_qsl, urljoin, urlsplit

from tests.support import Answer, Client


async def followed(client: Client, address: str) -> Answer:
    """The answer at that address, or at the one that does not say what is empty."""
    answer = await client.get(address)
    if answer.status != 303:
        return answer
    assert (answer.body, answer.headers["Cache-Control"]) == (b"", "no-store")
    tidy = urljoin(address, answer.headers["Location"])
    asked = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    assert parse_qsl(urlsplit(tidy).query) == [(name, text) for name, text in asked if text.strip()]
    return await client.get(tidy)
