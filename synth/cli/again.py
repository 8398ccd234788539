"""Describe a recorded container again, so that it can be started once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from synth.cli.container_options import WHERE, parse_env_options
from synth.config import parse_mount
from synth.errors import UsageError
from synth.model import Container, Recording
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES


def require_consent(recording: Recording, allowed: tuple[str, ...]) -> None:
    """Refuse to grant, on a file's word alone, what Docker's default does not grant."""
    asked = set(recording.subject.cap_add) - DOCKER_DEFAULT_CAPABILITIES - set(allowed)
    if asked:
        raise UsageError(
            f"the recording asks for {', '.join(sorted(asked))}, which Docker's default lacks",
            where=WHERE,
            slug="capability-consent",
            fix=f"if that is meant, add --allow-capability {min(asked)}",
        )


def container_of(
    recording: Recording,
    env: tuple[str, ...],
    mount: tuple[str, ...],
    known: Container | None = None,
) -> Container:
    """Describe the recorded container again; values and host paths come from the user alone.

    ``known`` is the project's container, if it is the one recorded.
    """
    if all(work.mode == "join" for work in recording.workloads):
        raise UsageError(
            "this recording joined a running container; what was typed there is not in it",
            where=WHERE,
            slug="nothing-to-replay",
            fix="validate with a recording of workloads",
        )
    subject = recording.subject
    environment = dict(parse_env_options(env))
    mounts = tuple(parse_mount(text, WHERE, Path.cwd()) for text in mount)
    if known is not None:
        taken = {target for _, target, _ in mounts}
        environment = {**dict(known.environment), **environment}
        mounts += tuple(one for one in known.mounts if one[1] not in taken)
    missing = [name for name in subject.environment if name not in environment]
    if missing:
        raise UsageError(
            f"the recording used the variables {', '.join(missing)}, whose values it does not keep",
            where=WHERE,
            slug="missing-value",
            fix=f"add -e {missing[0]}=VALUE",
        )
    unmounted = sorted(set(subject.mounts) - {target for _, target, _ in mounts})
    if unmounted:
        raise UsageError(
            f"the recording had something mounted at {', '.join(unmounted)}",
            where=WHERE,
            slug="missing-value",
            fix=f"add --mount SRC:{unmounted[0]}",
        )
    if known is not None:
        return replace(
            known,
            image=subject.image_digest,
            environment=tuple(sorted(environment.items())),
            mounts=tuple(sorted(mounts)),
        )
    _check_network(subject.network)
    main = [work.command for work in recording.workloads if work.mode == "main"]
    return Container(
        image=subject.image_digest,
        user=subject.user,
        workdir=subject.workdir,
        network=subject.network,
        tty=subject.tty,
        no_new_privileges=subject.no_new_privileges,
        cap_add=subject.cap_add,
        cap_drop=subject.cap_drop,
        environment=tuple(sorted(environment.items())),
        mounts=tuple(sorted(mounts)),
        command=main[0] if main else Container(image="").command,
    )


def _check_network(network: str) -> None:
    """Refuse a network that is another's own, on a file's word alone.

    In the host's a container talks to what listens there, and so does a probe of it.
    """
    if network == "host" or ":" in network:
        raise UsageError(
            f"the recording asks for a network that is not the container's own: {network[:40]!r}",
            where=WHERE,
            slug="foreign-network",
            fix="describe the container in a project file and name that with --config",
        )
