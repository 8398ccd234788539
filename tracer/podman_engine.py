"""Talk to Podman, run by root, through its Docker-compatible API.

Podman has no daemon: we start its API service for as long as we need it, unless the environment
names one that runs.  What differs from Docker: a profile is passed as a file, attaching already
creates the container's first process, and what is the default filter is said by another page.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker.errors

from synth.errors import HostError, SeccompSynthError, UsageError
from synth.files import read_bounded
from tracer.docker_engine import DockerEngine, require_this_kernel, rootless, translated
from tracer.engine import EngineInfo, Running

DEFAULT_PROFILE = "/usr/share/containers/seccomp.json"
"""Where distributions put the default profile; Podman without the file has it built in."""

START_S = 20
DONE_S = 5

# Becomes the service, and leaves a process behind that ends it when our end of the pipe closes:
# whatever ends us, also ends the service and removes its folder ($0).
_WRAPPER = """
exec 3<&0 </dev/null
{ read -r _; kill $$; rm -rf "$0"; } <&3 >/dev/null 2>&1 &
exec "$@" 3<&-
"""


class PodmanEngine(DockerEngine):
    """An ``Engine`` on Podman.  ``url`` names the socket of a service, or is empty for our own.

    Raises ``HostError`` when there is no Podman, or its service does not come up.
    """

    variable = "CONTAINER_HOST"
    how_to_start = "start podman's service (systemctl start podman.socket)"

    def __init__(self, url: str = "", runtime: str = "") -> None:
        if url and runtime:
            raise UsageError(
                f"the runtime of a service that is running (at {url}) cannot be chosen",
                where="engine",
                slug="bad-option",
                fix="unset CONTAINER_HOST and DOCKER_HOST: then one is started with it",
            )
        self._service = None if url else _Service(runtime)
        try:
            super().__init__(url or self._service.url)  # type: ignore[union-attr]
        except BaseException:
            self._end_service()
            raise

    def find(self, reference: str) -> Running:
        """Return the running container of that name or id; raises ``UsageError`` if none is."""
        running = super().find(reference)
        if running.profile is None or running.profile == "unconfined":
            return running
        with suppress(SeccompSynthError, UnicodeDecodeError):
            # Podman names the file that it was made from, which may have gone since
            return replace(running, profile=read_bounded(Path(running.profile)).decode())
        return running

    def close(self) -> None:
        """Close the connections and end our service."""
        super().close()
        self._end_service()

    def info(self) -> EngineInfo:
        """Return name, versions and seccomp support of the engine."""
        with translated("info"):
            version = self._api.version()
            answer = self._api.get(f"{self._api.base_url}/v4.0.0/libpod/info", timeout=START_S)
            answer.raise_for_status()
            host = answer.json()["host"]
        security, runtime = host["security"], host["ociRuntime"]
        if security["rootless"]:
            raise rootless("run podman as root: unset CONTAINER_HOST and DOCKER_HOST")
        require_this_kernel(str(host["kernel"]))
        profile = str(security.get("seccompProfilePath") or DEFAULT_PROFILE)
        known = "default" if profile == DEFAULT_PROFILE else profile
        return EngineInfo(
            "podman",
            str(version.get("Version", "")),
            str(runtime["name"]),
            runtime_version(str(runtime["version"])),
            f"name=seccomp,profile={known}" if security["seccompEnabled"] else "",
            False,
        )

    def attach(self, container_id: str, *, tty: bool) -> Iterator[tuple[int, bytes]]:
        """Yield ``(stream, data)`` of a container until it ends; creates its first process."""
        try:
            return super().attach(container_id, tty=tty)
        except docker.errors.APIError as error:
            prefix = f"preparing container {container_id} for attach: "
            reason = str(error.explanation).removeprefix(prefix)
            raise HostError(reason, slug="engine-error") from None

    def kill(self, container_id: str) -> None:
        """Kill a container; one that has ended already is fine."""
        try:
            super().kill(container_id)
        except HostError:
            if self.state(container_id).running:
                raise

    def remove(self, container_id: str) -> None:
        """Remove a container with its anonymous volumes; one that is gone is fine."""
        with suppress(HostError, docker.errors.APIError):
            self.kill(container_id)  # or Podman waits ten seconds for it to end by itself
        super().remove(container_id)

    @contextmanager
    def _profile(self, profile: str | None) -> Iterator[str | None]:
        """Yield a file with the profile; Podman reads it while it creates the container."""
        if profile is None:
            yield None
            return
        with tempfile.NamedTemporaryFile("w", prefix="seccomp-synth-", suffix=".json") as file:
            file.write(profile)
            file.flush()
            yield file.name

    def _end_service(self) -> None:
        if self._service is not None:
            self._service.close()


class _Service:
    """Podman's API at a socket that only root can reach; ends when we do."""

    def __init__(self, runtime: str) -> None:
        podman = shutil.which("podman")
        if podman is None:
            raise HostError("podman is not installed", slug="no-engine", fix="install podman")
        # the path of a socket is short by definition, the user's TMPDIR need not be
        place = "/run" if os.access("/run", os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="seccomp-synth-podman-", dir=place))
        path = self._folder / "socket"
        self.url = f"unix://{path}"
        options = [f"--runtime={runtime}"] if runtime else []
        command = [podman, *options, "system", "service", "--time", "0", self.url]
        try:
            with (self._folder / "log").open("wb") as log:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", _WRAPPER, str(self._folder), *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=_environment(os.environ),
                    start_new_session=True,  # Ctrl-C is for us; it is needed to clean up
                )
            self._wait(path)
        except BaseException:
            self.close()
            raise

    def _wait(self, path: Path) -> None:
        deadline = time.monotonic() + START_S
        while not _listens(path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self._folder / "log").read_text(errors="replace").strip()
                raise HostError(
                    f"podman's service does not start ({log[-300:] or 'it says nothing'})",
                    slug="no-engine",
                    fix="see whether this works: podman info",
                )
            time.sleep(0.01)

    def close(self) -> None:
        """End the service and remove its folder; may be called twice."""
        process = getattr(self, "_process", None)
        if process is not None:
            process.stdin.close()  # the wrapper ends it
            try:
                process.wait(DONE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        with suppress(OSError):
            shutil.rmtree(self._folder)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without what would send the service to another one."""
    return {
        key: value for key, value in ours.items() if key not in ("CONTAINER_HOST", "DOCKER_HOST")
    }


def speaks_podman(engine: DockerEngine) -> bool:
    """Tell whether what answers as Docker is Podman."""
    components: list[dict[str, Any]] = engine.components()
    return any(str(one.get("Name", "")).startswith("Podman") for one in components)


def runtime_version(text: str) -> str:
    """Return the version in what ``crun --version`` or ``runc --version`` says."""
    found = re.search(r"version (\S+)", text)
    return found[1] if found else ""
