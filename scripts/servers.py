"""Start the servers of the worked examples, by default or hardened, and see that they work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container

from synth.config import Config, load_config

PROFILES = Path(__file__).resolve().parent.parent / "profiles"
SERVERS = tuple(sorted(path.parent.name for path in PROFILES.glob("*/image")))
"""The examples whose container is a server; `scripts/example-image` makes their images."""

EXAMPLES = tuple(sorted(path.parent.name for path in PROFILES.glob("*/seccomp-synth.toml")))
KILLED = 137
PATIENCE_S = 30


class BrokenError(Exception):
    """A server does not do what it should."""


def project(name: str) -> Config:
    """Return what an example's project file says."""
    return load_config(PROFILES / name / "seccomp-synth.toml")


@contextmanager
def started(client: docker.DockerClient, name: str, folder: Path | None) -> Iterator[Container]:
    """Run an example's container, hardened by the profile and capabilities in ``folder``."""
    settings: dict[str, Any] = {}
    if folder is not None:
        capabilities = json.loads((folder / "capabilities.json").read_text())
        settings = {
            "security_opt": [f"seccomp={(folder / 'seccomp.json').read_text()}"],
            "cap_drop": ["ALL"],
            "cap_add": [one["name"] for one in capabilities["cap_add"]],
        }
    container = project(name).container
    box = client.containers.run(
        container.image, list(container.command), detach=True, network_mode="none", **settings
    )
    try:
        yield box
    finally:
        box.remove(force=True, v=True)


def works(box: Container, name: str) -> None:
    """Wait until the first command that the example execs succeeds; it may still be starting."""
    load = next(one for one in project(name).workloads if one.mode == "exec")
    output = b""
    limit = time.monotonic() + PATIENCE_S
    while time.monotonic() < limit:
        try:
            status, output = box.exec_run(list(load.command))
        except docker.errors.APIError as error:  # not running any more
            raise BrokenError(f"{name}: {error.explanation}\n{_tail(box.logs())}") from error
        if status == load.expected_exit:
            return
        time.sleep(0.2)
    raise BrokenError(f"{name} does not answer: {_tail(output)}")


def restart(box: Container, name: str) -> None:
    """Stop a server and start it again; it must end by itself when asked, and work afterwards."""
    box.stop(timeout=30)
    box.reload()
    status = box.attrs["State"]["ExitCode"]
    if status:
        how = "had to be killed" if status == KILLED else f"ended with exit status {status}"
        raise BrokenError(f"{name} {how} when it was stopped\n{_tail(box.logs())}")
    box.start()
    works(box, name)


def _tail(output: bytes) -> str:
    return output[-2000:].decode(errors="replace")
