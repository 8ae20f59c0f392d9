"""The program that draws: orders come in a line each, what is drawn goes out behind its size.

It is run by its path, beside the service, and imports nothing of it.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any, Final

_MAX_TOLD: Final = 300
_SNIPPET: Final = "globalThis.vegaEmbed = vegaEmbed;"


def _made(order: dict[str, Any]) -> bytes:
    import vl_convert  # noqa: PLC0415 — what is not asked for is not loaded

    match order["form"]:
        case "library":
            return vl_convert.javascript_bundle(_SNIPPET).encode()
        case "svg":
            return vl_convert.vegalite_to_svg(order["spec"], allowed_base_urls=[]).encode()
        case "png":
            return vl_convert.vegalite_to_png(
                order["spec"], scale=order["scale"], allowed_base_urls=[]
            )
        case form:
            raise ValueError(form)


def main() -> None:
    """Answer orders until there are no more."""
    with suppress(OSError):
        os.nice(5)  # who waits for an answer of the service goes first
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        try:
            body, is_made = _made(json.loads(line)), True
        except Exception as error:  # noqa: BLE001 — whatever is wrong with one order
            body, is_made = str(error)[:_MAX_TOLD].encode(), False
        out.write(json.dumps({"ok": is_made, "size": len(body)}).encode() + b"\n" + body)
        out.flush()


if __name__ == "__main__":
    main()
