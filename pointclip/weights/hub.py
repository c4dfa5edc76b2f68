"""What is cached from the Hugging Face hub, whether the hub can be reached, and how to stay off it."""

import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants

from pointclip.errors import WeightsError

CONFIG_FILE = "open_clip_config.json"
_WAIT_S = 2.5


@contextmanager
def offline() -> Iterator[None]:
    """Forbid the hub client any request inside the block: a file is in the local cache or the call fails at once."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


class Probe:
    """A connection attempt to the hub on a thread of its own, so that waiting costs no start-up time.

    Nothing is sent: a connection to the hub (or to the proxy that leads there) is opened and closed.
    """

    def __init__(self) -> None:
        self.reason: str | None = f"{constants.ENDPOINT} does not answer"
        self._thread = threading.Thread(target=self._connect, daemon=True)
        self._thread.start()

    def failure(self) -> str | None:
        """Wait a moment for the outcome.

        Returns:
            None if the hub can be reached, else why not.
        """
        self._thread.join(_WAIT_S)
        return self.reason

    def _connect(self) -> None:
        if constants.HF_HUB_OFFLINE:
            self.reason = "HF_HUB_OFFLINE is set"
            return
        host, port = _door(constants.ENDPOINT)
        try:
            socket.create_connection((host, port), timeout=_WAIT_S).close()
        except OSError as error:
            self.reason = f"{host} cannot be reached: {error}"
        else:
            self.reason = None


def _door(url: str) -> tuple[str, int]:
    target = urlsplit(url)
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return target.hostname or "", target.port or (443 if target.scheme == "https" else 80)


def cache_root(cache_dir: str | None) -> Path:
    """Name the folder where the hub client keeps its files."""
    return Path(cache_dir or constants.HF_HUB_CACHE)


def cache_is_empty(cache_dir: str | None) -> bool:
    """Tell whether no model at all is cached, so that a named one must be downloaded."""
    return not any(cache_root(cache_dir).glob("models--*"))


def cached_file(repo: str, names: tuple[str, ...], cache_dir: str | None) -> Path | None:
    """Find the first of some files of a hub repository in the local cache, without network."""
    for name in names:
        found = huggingface_hub.try_to_load_from_cache(repo, name, cache_dir=cache_dir)
        if isinstance(found, str):
            return Path(found)
    return None


def cached_repos(cache_dir: str | None) -> list[str]:
    """List the cached hub repositories that hold an open_clip model, as ``ORG/NAME``."""
    configs = cache_root(cache_dir).glob(f"models--*/snapshots/*/{CONFIG_FILE}")
    return sorted({path.parents[2].name.removeprefix("models--").replace("--", "/", 1) for path in configs})


def is_published(arch: str, tag: str) -> bool:
    """Tell from open_clip's own files, without importing it, that an architecture and a plain tag exist.

    False also where only open_clip itself can say: for a tag that it must check against the activation first.
    """
    found = find_spec("open_clip")
    if found is None or found.origin is None:
        return False
    folder = Path(found.origin).parent
    if not (folder / "model_configs" / f"{arch}.json").is_file() or not (folder / "pretrained.py").is_file():
        return False
    text = (folder / "pretrained.py").read_text(encoding="utf-8")
    entries = re.findall(rf"^ +{re.escape(tag)}=\w*cfg\((.*?)\),$", text, re.M | re.S)
    return bool(entries) and (tag == "openai" or not any("quick_gelu" in entry for entry in entries))


def unreachable(name: str, failure: str) -> WeightsError:
    """Word the three ways out for weights that are neither cached nor reachable."""
    return WeightsError(
        f"the weights of {name!r} are not in the local cache and there is no way to the hub ({failure}). "
        f"Three ways out: load it once on a machine with network and copy that machine's cache folder "
        f"({cache_root(None)}) here; name a local weight file as 'ARCH@FILE' or a folder as 'local-dir:PATH'; "
        "or use the model 'embedded', which needs no network"
    )
