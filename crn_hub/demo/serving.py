"""Where the page is served: in notebooks, under public addresses, behind proxies."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import getproxies


def is_interactive() -> bool:
    """Whether Python goes on after a script or a cell has ended, as in a notebook."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def is_shared() -> bool:
    """Whether gradio makes a public address of its own accord: in notebooks whose browser is on another machine."""
    from gradio import utils

    return utils.colab_check() or utils.is_hosted_notebook() or os.environ.get("GRADIO_SHARE", "").lower() == "true"


@contextmanager
def calls_to_oneself_without_proxy(host: str) -> Iterator[None]:
    """While gradio starts it calls its own server, which a proxy would refuse or not find.

    Everything else still goes through the proxies of the environment, or else of the system: where variables name no
    more than hosts without a proxy, clients would forget the system's.
    """
    before = {name: os.environ.get(name) for name in os.environ | {"no_proxy": ""} if name.lower().endswith("_proxy")}
    proxies = getproxies()
    local = dict.fromkeys([*proxies.pop("no", "").split(","), host, "localhost", "127.0.0.1", "::1"])
    os.environ.update({f"{scheme}_proxy": address for scheme, address in proxies.items()})
    os.environ["no_proxy"] = ",".join(name for name in local if name)
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if value is not None})
