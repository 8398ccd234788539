"""Ask docker's own ``compose`` for a project with everything merged, where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.errors import UsageError

TIMEOUT_S = 30
MAX_BYTES = 8 * 1024 * 1024

# Compose fetches what is included from repositories and registries unless told not to.
_OFFLINE = {"COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false"}


def has_compose(environment: Mapping[str, str]) -> bool:
    """Tell whether ``docker compose`` is there, version 2 or later."""
    if shutil.which("docker", path=environment.get("PATH")) is None:
        return False
    try:
        done = _run(["version", "--short"], Path("/"), environment)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and not done.stdout.strip().startswith(b"1.")


def compose_model(files: tuple[Path, ...], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the project of ``files`` as Compose understands it: merged, with variables put in.

    The files have to be checked before: Compose reads whatever they name.  Nothing is run,
    built or pulled.  Raises ``UsageError`` with Compose's own words.
    """
    where = str(files[0])
    arguments = [word for file in files for word in ("-f", str(file))]
    # --profile: a service that is off by default can be recorded all the same
    command = [*arguments, "--profile", "*", "config", "--format", "json"]
    try:
        done = _run(command, files[0].parent, environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(
            f"docker compose config did not work ({type(error).__name__})", where
        ) from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise _failed(f"docker compose refuses it: {lines[-1][:300]}", where)
    if len(done.stdout) > MAX_BYTES:
        raise _failed("the project is too large", where)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _failed("docker compose config printed no project", where)
    return document


def _run(
    arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["docker", "compose", *arguments],  # noqa: S607 - the user's docker, as typed
        cwd=folder,
        env={**environment, **_OFFLINE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        start_new_session=True,
    )


def _failed(what: str, where: str) -> UsageError:
    return UsageError(what, where=where, slug="bad-compose", fix="see: docker compose config")
