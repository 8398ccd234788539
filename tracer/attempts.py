"""Try the ways out of a container, live, under a profile: what does the kernel answer to each?

The program that makes the calls comes with us and is copied into the container, so that an empty
image will do.  A filter may kill its caller: what killed it is noted and the rest is tried in the
next container, a few times at most.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace

from synth.errors import HostError
from synth.model import Container, Workload
from synth.primitives import Attempt, Outcome, Tried
from tracer.engine import STDOUT, Engine
from tracer.observe import Observation, Observer
from tracer.probes import require_root
from tracer.stub import RECORD, Call, program, results
from tracer.workload import created, remove_stale, run_container

NAME = "seccomp-synth-attempts"
TIMEOUT_S = 20.0
MAX_CONTAINERS = 12
SIGNALLED = 128
"""An exit status above this one, less it, is the signal that ended the program."""


def try_all(
    engine: Engine,
    container: Container,
    profile: str,
    errnos: frozenset[int],
    attempts: Sequence[Attempt],
) -> Tried:
    """Make the attempts in containers like ``container``, under ``profile`` (seccomp JSON).

    ``errnos``: what the profile can answer.  What came after the last container allowed has no
    outcome.  Raises ``HostError`` if the program does not run or no filter was in force.
    """
    require_root()
    remove_stale(engine)
    # nothing of these changes what a filter answers; a tty changes bytes, and where all is read
    # only the engine cannot put the program in
    plain = replace(container, tty=False, mounts=(), tmpfs=(), read_only=False)
    outcomes: list[Outcome | None] = [None] * len(attempts)
    left = list(range(len(attempts)))
    reached: set[tuple[str, str]] = set()
    with Observer(errnos) as observer:
        for _ in range(MAX_CONTAINERS):
            if not left:
                break
            calls = [(position, _call(attempts[position])) for position in left]
            output, status, seen = _run(engine, observer, plain, profile, calls)
            reached |= {(use.arch, use.name) for use in seen.syscalls if use.phase == "workload"}
            found = results(output, len(attempts))
            for position in left:
                if position in found:
                    outcomes[position] = Outcome(found[position], 0)
            rest = [position for position in left if position not in found]
            if rest:
                killed, *rest = rest
                outcomes[killed] = Outcome(None, _signal(status, found, attempts[killed]))
                rest = _without_shut_table(attempts, outcomes, killed, rest)
            left = rest
        losses = tuple(observer.losses())
    return Tried(tuple(outcomes), frozenset(reached), losses)


def _run(
    engine: Engine,
    observer: Observer,
    container: Container,
    profile: str,
    calls: Sequence[tuple[int, Call]],
) -> tuple[bytes, int, Observation]:
    output = bytearray()

    def keep(stream: int, data: bytes) -> None:
        if stream == STDOUT and len(output) < RECORD.size * len(calls):
            output.extend(data)

    command = (f"/{NAME}",)
    workload = Workload(NAME, command, timeout_s=TIMEOUT_S)
    with created(
        engine, container, command, profile=profile, replace_entrypoint=True
    ) as container_id:
        engine.put(container_id, _archive(program(calls)))
        watch = observer.watch(container_id)
        try:
            slot = watch.begin()
            ending = run_container(
                engine, container_id, workload, tty=False, output=keep, tick=lambda: None
            )
            seen = watch.end(slot)
        finally:
            watch.close()
    if ending.outcome in ("not-started", "timeout"):
        raise _failed(ending.message.strip() or "it did not end")
    if not seen.syscalls and not seen.denials:
        raise _failed("no call was seen under a filter")
    return bytes(output), ending.exit_status or 0, seen


def _archive(content: bytes) -> bytes:
    """Return a tar archive of the program, for anyone to execute."""
    entry = tarfile.TarInfo(NAME)
    entry.size, entry.mode = len(content), 0o555
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    return result.getvalue()


def _call(attempt: Attempt) -> Call:
    return Call(attempt.arch, attempt.number, attempt.arguments)


def _signal(status: int, found: dict[int, int], attempt: Attempt) -> int:
    """Return the signal that ended the program before it could report ``attempt``."""
    if status > SIGNALLED:
        return status - SIGNALLED
    raise _failed(f"it ended with status {status} after {len(found)} calls, before {attempt.name}")


def _without_shut_table(
    attempts: Sequence[Attempt],
    outcomes: list[Outcome | None],
    killed: int,
    rest: list[int],
) -> list[int]:
    """A table that kills the caller of getpid kills every caller: no need to try the others."""
    if attempts[killed].name != "getpid":
        return rest
    arch = attempts[killed].arch
    for position in rest:
        if attempts[position].arch == arch:
            outcomes[position] = outcomes[killed]
    return [position for position in rest if attempts[position].arch != arch]


def _failed(why: str) -> HostError:
    return HostError(
        f"the program that tries the ways out does not run ({why})",
        slug="attempts-failed",
        fix="see whether the workloads run under the profile: --no-attempts leaves this out",
    )
