"""Talk to Docker on this host, with a time limit on every word.

It is reached through its API with the ``docker`` package rather than its command line: each
request has a time limit, output streams come apart, and the seccomp profile is passed as text,
so that no file has to outlive the container.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import docker.utils
import requests.exceptions

from synth.errors import HostError, UsageError
from synth.model import Container
from tracer.creation import host_options, image_of, no_image, process_options
from tracer.docker_found import pull_failure, running_of
from tracer.engine import STDERR, STDOUT, ContainerState, EngineInfo, EngineTimeout, Image, Running

TIMEOUT_S = 30
PULL_TIMEOUT_S = 600
FETCH_S = 60
FETCH_PIECE = 256 * 1024
DEFAULT_SOCKET = "unix:///var/run/docker.sock"


class DockerEngine:
    """An ``Engine`` on Docker's API.  ``url`` must name a socket of this host.

    ``runtime`` is the OCI runtime for new containers; empty means the engine's own choice.
    Raises ``HostError`` when there is no engine, or it is on another machine.
    """

    variable = "DOCKER_HOST"
    how_to_start = "start docker (systemctl start docker)"

    def __init__(self, url: str, runtime: str = "") -> None:
        address = urlsplit(url)
        if address.scheme != "unix":
            raise HostError(
                f"the engine at {url} is not on this host; eBPF sees this host's kernel only",
                slug="remote-engine",
                fix=f"run it on the engine's host, or unset {self.variable}",
            )
        self.url = url
        self._runtime = runtime
        try:
            with translated("connect"):
                # untyped: the published stubs lack half of the low-level client
                self._api: Any = docker.APIClient(base_url=url, version="auto", timeout=TIMEOUT_S)
        except (HostError, docker.errors.APIError) as error:
            reason = error if os.path.exists(address.path) else "there is no such socket"
            raise HostError(
                f"no container engine answers at {url} ({reason})",
                slug="no-engine",
                fix=f"{self.how_to_start}, or set {self.variable} to its socket",
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def info(self) -> EngineInfo:
        """Return name, versions and seccomp support of the engine."""
        with translated("info"):
            info, version = self._api.info(), self._api.version()
        options = [str(option) for option in info.get("SecurityOptions") or []]
        runtime = self._runtime or str(info.get("DefaultRuntime", ""))
        if any("rootless" in option for option in options):
            raise rootless("use the system's engine (DOCKER_HOST=unix:///var/run/docker.sock)")
        require_this_kernel(str(version.get("KernelVersion", "")))
        return EngineInfo(
            "docker",
            str(version.get("Version", "")),
            runtime,
            _runtime_version(version, runtime),
            next((option for option in options if option.startswith("name=seccomp")), ""),
            any(option.startswith("name=userns") for option in options),
        )

    def components(self) -> list[dict[str, Any]]:
        """Return the parts that the engine says it is made of."""
        with translated("tell its version"):
            return list(self._api.version().get("Components") or [])

    def image(self, reference: str, *, pull: bool) -> Image:
        """Return the image, pulling it if it is not here and ``pull`` says so.

        Raises ``UsageError`` when it cannot be had.
        """
        try:
            with translated("inspect the image"):
                found = self._api.inspect_image(reference)
        except docker.errors.NotFound:
            if not pull:
                raise no_image(reference, "it is not on this engine") from None
            self._pull(reference)
            with translated("inspect the image"):
                found = self._api.inspect_image(reference)
        return image_of(found)

    def has_network(self, name: str) -> bool:
        """Tell whether the engine has a network of exactly that name."""
        with translated("list networks"):
            return any(one.get("Name") == name for one in self._api.networks(names=[name]))

    def _pull(self, reference: str) -> None:
        puller = docker.APIClient(base_url=self.url, version="auto", timeout=PULL_TIMEOUT_S)
        repository, tag = docker.utils.parse_repository_tag(reference)
        try:
            with translated("pull the image"):
                said = puller.pull(repository, tag=tag or "latest")
        except (docker.errors.APIError, HostError) as error:
            reason = error.what if isinstance(error, HostError) else error.explanation
            raise no_image(reference, f"it is not here and cannot be pulled: {reason}") from None
        finally:
            puller.close()
        reason = pull_failure(said)
        if reason:
            raise no_image(reference, f"it is not here and cannot be pulled: {reason}")

    def create(
        self,
        container: Container,
        *,
        name: str,
        command: tuple[str, ...],
        labels: dict[str, str],
        profile: str | None,
        replace_entrypoint: bool = False,
    ) -> str:
        """Create a container and return its id.

        ``profile``: seccomp JSON, or ``None`` for the engine's default.  The image's entry
        point gets ``command`` as its arguments, as with ``docker run``, unless it is replaced.
        """
        options = ["no-new-privileges"] if container.no_new_privileges else []
        with translated("create the container"), self._profile(profile) as seccomp:
            options += [f"seccomp={seccomp}"] if seccomp else []
            host_config = self._api.create_host_config(
                security_opt=options or None,
                cap_add=list(container.cap_add) or None,
                cap_drop=list(container.cap_drop) or None,
                **host_options(container),
                runtime=self._runtime or None,
            )
            created = self._api.create_container(
                container.image,
                **process_options(container, command, replace_entrypoint=replace_entrypoint),
                name=name,
                user=container.user or None,
                working_dir=container.workdir or None,
                environment=dict(container.environment) or None,
                tty=container.tty,
                labels=labels,
                host_config=host_config,
            )
        return str(created["Id"])

    def find(self, reference: str) -> Running:
        """Return the running container of that name or id; raises ``UsageError`` if none is."""
        try:
            with translated("inspect the container"):
                found = self._api.inspect_container(reference)
        except docker.errors.NotFound:
            raise UsageError(
                f"there is no container {reference[:64]!r}",
                slug="no-container",
                fix="see: docker ps",
            ) from None
        if not found["State"]["Running"]:
            raise UsageError(
                f"the container {reference[:64]!r} does not run",
                slug="no-container",
                fix="start it, or record its image",
            )
        return running_of(found)

    @contextmanager
    def _profile(self, profile: str | None) -> Iterator[str | None]:
        """Yield the profile in the form that the engine takes: here its text."""
        yield profile

    def put(self, container_id: str, archive: bytes) -> None:
        """Unpack a tar archive at the root of a container; it need not have been started."""
        with translated("copy into the container"):
            self._api.put_archive(container_id, "/", archive)

    def fetch(self, container_id: str, path: str) -> Generator[bytes] | None:
        """Return a tar archive of a container's file or folder; ``None`` if there is none."""
        # the package's own get_archive waits without a limit, and leaves what is not read open
        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{container_id}/archive"
        with translated("copy out of the container"):
            answer = self._api.get(url, params={"path": path}, stream=True, timeout=TIMEOUT_S)
        if answer.ok:
            return _pieces(answer)
        answer.close()
        if answer.status_code in (404, 409):
            return None
        raise HostError(
            f"the engine failed to copy out of the container (HTTP status {answer.status_code})",
            slug="engine-error",
            fix="see the engine's log",
        )

    def start(self, container_id: str) -> None:
        """Start a container; raises ``HostError`` if the runtime fails or hangs."""
        with translated("start the container"):
            self._api.start(container_id)

    def attach(self, container_id: str, *, tty: bool) -> Iterator[tuple[int, bytes]]:
        """Yield ``(stream, data)`` of a container until it ends; attach before starting it."""
        with translated("attach to the container"):
            stream = self._api.attach(
                container_id, stdout=True, stderr=True, stream=True, demux=not tty
            )
        return _streams(stream, tty=tty)

    def state(self, container_id: str) -> ContainerState:
        """Return what the engine says about a container."""
        with translated("inspect the container"):
            found = self._api.inspect_container(container_id)
        state = found["State"]
        options = (found.get("HostConfig") or {}).get("SecurityOpt") or []
        return ContainerState(
            bool(state["Running"]),
            int(state["Pid"]),
            int(state["ExitCode"]),
            tuple(options),
            str((found.get("Config") or {}).get("StopSignal") or ""),
        )

    def exec_start(
        self, container_id: str, container: Container, command: tuple[str, ...]
    ) -> tuple[str, Iterator[tuple[int, bytes]]]:
        """Start a command in a running container; return the exec's id and its output."""
        with translated("exec in the container"):
            created = self._api.exec_create(
                container_id,
                list(command),
                tty=container.tty,
                user=container.user,
                workdir=container.workdir or None,
                environment=dict(container.environment) or None,
            )
            stream = self._api.exec_start(
                created["Id"], tty=container.tty, stream=True, demux=not container.tty
            )
        return str(created["Id"]), _streams(stream, tty=container.tty)

    def exec_state(self, exec_id: str) -> ContainerState:
        """Return what the engine says about an exec'd command."""
        with translated("inspect the exec"):
            found = self._api.exec_inspect(exec_id)
        exit_status = found.get("ExitCode")
        return ContainerState(
            # a moment after it was asked for it neither runs nor has ended
            bool(found["Running"]) or exit_status is None,
            int(found.get("Pid") or 0),
            -1 if exit_status is None else int(exit_status),
            (),
        )

    def stop(self, container_id: str, *, grace_s: int) -> None:
        """Ask a container to end, then kill it after ``grace_s`` seconds."""
        with translated("stop the container"):
            self._api.stop(container_id, timeout=grace_s)

    def kill(self, container_id: str) -> None:
        """Kill a container; one that has ended already is fine."""
        try:
            with translated("kill the container"):
                self._api.kill(container_id)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):
                raise

    def remove(self, container_id: str) -> None:
        """Remove a container with its anonymous volumes; one that is gone is fine."""
        try:
            with translated("remove the container"):
                self._api.remove_container(container_id, force=True, v=True)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):
                raise

    def labelled(self, label: str, *, names: bool = False) -> dict[str, str]:
        """Return container id (or name) -> value of ``label`` for all that have it."""
        with translated("list containers"):
            found = self._api.containers(all=True, filters={"label": label})
        return {
            str(box["Names"][0]).removeprefix("/") if names else str(box["Id"]): str(
                box["Labels"][label]
            )
            for box in found
        }


def rootless(fix: str) -> HostError:
    """Return the refusal of an engine that does not run as root."""
    return HostError(
        "the engine is rootless: its containers are in user namespaces of their own",
        slug="rootless-engine",
        fix=fix,
    )


def require_this_kernel(kernel: str) -> None:
    """Raise ``HostError`` if an engine names another kernel: it is in a virtual machine."""
    if kernel != os.uname().release:
        raise HostError(
            f"the engine runs on another kernel ({kernel}); eBPF sees this host's only",
            slug="remote-engine",
            fix="run it on the engine's host",
        )


def engine_url(environment: Mapping[str, str]) -> str:
    """Return the URL of Docker's engine in use: DOCKER_HOST, the current context, the default."""
    if environment.get("DOCKER_HOST"):
        return environment["DOCKER_HOST"]
    try:
        context = docker.ContextAPI.get_current_context()
    except Exception:
        return DEFAULT_SOCKET  # an unreadable ~/.docker is no reason to fail
    host = getattr(context, "Host", None)
    return str(host) if host and str(host).startswith(("unix:", "tcp:", "ssh:")) else DEFAULT_SOCKET


def _pieces(answer: Any) -> Generator[bytes]:
    """Yield an answer's body, for a minute at most; whoever reads only a part of it closes it."""
    limit = time.monotonic() + FETCH_S
    with translated("copy out of the container"), closing(answer):
        for piece in answer.iter_content(FETCH_PIECE):
            yield piece
            if time.monotonic() > limit:
                return


def _streams(stream: Any, *, tty: bool) -> Iterator[tuple[int, bytes]]:
    try:
        for item in stream:
            if tty:
                yield STDOUT, item
                continue
            stdout, stderr = item
            if stdout:
                yield STDOUT, stdout
            if stderr:
                yield STDERR, stderr
    except (OSError, ValueError, requests.exceptions.RequestException):
        return  # the connection was closed under us: the container is being removed


def _runtime_version(version: dict[str, Any], runtime: str) -> str:
    for component in version.get("Components") or []:
        if component.get("Name") == runtime:
            return str(component.get("Version", ""))
    return ""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the client library's failures into ours; ``NotFound`` passes for the caller."""
    try:
        yield
    except docker.errors.NotFound:
        raise
    except docker.errors.APIError as error:
        if error.status_code in (404, 409):
            raise
        raise HostError(
            f"the engine failed to {doing}: {error.explanation or error}",
            slug="engine-error",
            fix="see the engine's log",
        ) from None
    except requests.exceptions.Timeout:
        raise EngineTimeout(
            f"the engine did not {doing} within {TIMEOUT_S} s",
            slug="engine-timeout",
            fix="see the engine's log",
        ) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise HostError(
            f"the engine failed to {doing}: {error}",
            slug="engine-error",
            fix="see the engine's log",
        ) from None
