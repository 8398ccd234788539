"""Define the data that flows between the parts: frozen, ordered, free of behaviour.

Nothing here imports anything of ours.  Collections are tuples in a canonical order, so that
equal content means equal objects and equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["runtime", "workload"]
"""``runtime``: the container runtime's own calls between filter and execve; else ``workload``."""

Arch = Literal["x86_64", "x86", "x32", "aarch64", "arm"]
Mode = Literal["run", "exec", "probe", "main", "join"]
"""``run``: a container of its own; ``exec``: ``docker exec`` in one long-running container;
``probe``: an HTTP request to that container's own process, made from inside its network;
``main``: that container's own process, recorded as a run of its own;
``join``: a container that ran already, recorded for a while."""

INSIDE = ("exec", "probe")
"""The modes of workloads that happen in a container that runs already."""

# ---------------------------------------------------------------- recordings


@dataclass(frozen=True, slots=True, order=True)
class SyscallUse:
    """One syscall that a run made under its filter, with the first program seen making it.

    ``name`` is ``None``-free: a number without a name in our tables is ``"#NUMBER"``.
    ``first_ms`` is milliseconds from the start of the run to the first such call.  ``others``
    are the other programs that made it, if all were asked for.
    """

    arch: str
    name: str
    number: int
    phase: str
    program: str
    first_ms: float
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class ArgumentUse:
    """The distinct argument values of one syscall in one run.

    ``fields`` are ``(index, mask)`` pairs, ``values`` the masked tuples in their order.
    ``pointed``: the value is the first 8 bytes the argument points to (clone3), which no
    filter can see.  ``overflow``: there were more tuples than the bound; the list is partial.
    """

    arch: str
    name: str
    fields: tuple[tuple[int, int], ...]
    values: tuple[tuple[int, ...], ...]
    overflow: bool = False
    pointed: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Denial:
    """A call that the filter refused: ``errno`` it answered, or 0 for a kill by SIGSYS.

    ``arguments`` are ``(index, mask, value)`` triples where an argument rule refused.
    """

    arch: str
    name: str
    number: int
    errno: int
    phase: str
    program: str
    count: int
    arguments: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class CapabilityUse:
    """A capability that was asked for and granted, by the program and in the syscall named."""

    name: str
    syscall: str
    program: str
    count: int


@dataclass(frozen=True, slots=True)
class OutputDigest:
    """What a run printed on one stream, without the text, which may hold secrets.

    ``size`` in bytes; ``sha256`` of the text with times, addresses and temporary names masked;
    ``shape`` is the same with every number masked as well.
    """

    size: int
    sha256: str
    shape: str


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file of the container held when a run ended; ``None`` if there was none."""

    path: str
    digest: OutputDigest | None


@dataclass(frozen=True, slots=True)
class Workload:
    """A command to run in the container, as the user defined it.

    ``command`` is an argument vector, never a shell line of ours; of a probe it is
    ``("GET", URL)``, and ``expected_exit`` the HTTP status.  ``timeout_s`` in seconds.  ``files``
    are paths in the container, of files or folders, that tell one result from another.
    """

    name: str
    command: tuple[str, ...]
    mode: str = "run"
    timeout_s: float = 300.0
    repeat: int = 1
    expected_exit: int = 0
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """The container to run workloads in, as the user described it; never written to a file.

    ``environment`` holds ``(name, value)``, ``mounts`` ``(host path, container path, "rw"|"ro")``;
    an empty host path is a fresh volume.  ``command`` is the main process when workloads are
    exec'd into it; ``()`` is the image's own.  ``entrypoint`` replaces the image's unless it is
    empty.  ``network`` is ``default``, ``none`` or the name of one on the engine.
    """

    image: str
    user: str = ""
    workdir: str = ""
    network: str = "default"
    tty: bool = False
    no_new_privileges: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    mounts: tuple[tuple[str, str, str], ...] = ()
    command: tuple[str, ...] = ("sleep", "infinity")
    entrypoint: tuple[str, ...] = ()
    init: bool = False
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one workload and all that was seen of it.

    ``exit_status`` is ``None`` when the run was ended by us (timeout, interrupt); of a probe it
    is the HTTP status, and ``stdout`` the answer.
    ``outcome``: ``ok``, ``failed`` (another exit status than expected), ``timeout``,
    ``not-started`` or ``interrupted``.
    """

    workload: str
    index: int
    outcome: str
    exit_status: int | None
    duration_ms: float
    stdout: OutputDigest
    stderr: OutputDigest
    syscalls: tuple[SyscallUse, ...] = ()
    arguments: tuple[ArgumentUse, ...] = ()
    denials: tuple[Denial, ...] = ()
    capabilities: tuple[CapabilityUse, ...] = ()
    files: tuple[FileDigest, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """The container that was recorded, as far as it decides what it may do.

    ``capabilities`` is the bounding set it really had.  ``environment`` holds names only and
    ``mounts`` container paths only: values and host paths do not belong in a shared file.
    """

    image: str
    image_digest: str
    libc: str = ""
    user: str = ""
    workdir: str = ""
    network: str = "default"
    tty: bool = False
    no_new_privileges: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """The kernel and engine of the recording; never a host name."""

    kernel: str
    arch: str
    engine: str
    engine_version: str
    runtime: str
    runtime_version: str
    cgroup: str


@dataclass(frozen=True, slots=True)
class Filter:
    """The seccomp filter in force: ``default`` (a baseline's name) or ``profile`` (a digest)."""

    kind: str
    baseline: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How far a recording can be trusted.

    ``problems`` are sentences; none means that everything asked for was recorded.  A recording
    with problems is refused by ``synth`` unless the user insists.  ``notes`` do not hurt.
    ``capabilities`` is ``recorded`` or the reason why they were not.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    capabilities: str = "recorded"

    @property
    def ok(self) -> bool:
        """Tell whether the recording may be narrowed to."""
        return not self.problems


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A recording that was combined into another: its digest, and where it was made."""

    sha256: str
    host: Host


@dataclass(frozen=True, slots=True)
class Recording:
    """All runs of one ``record`` command, or of several that were combined.

    ``partial``: it was interrupted.  ``sources`` are those combined, none in an original; the
    host of a combined one holds what they have in common.
    """

    subject: Subject
    host: Host
    filter: Filter
    probes: tuple[str, ...]
    health: Health
    workloads: tuple[Workload, ...]
    runs: tuple[Run, ...]
    partial: bool = False
    sources: tuple[Source, ...] = ()


# ---------------------------------------------------------------- profiles


@dataclass(frozen=True, slots=True, order=True)
class Comparison:
    """One argument condition, in libseccomp's terms.

    For ``SCMP_CMP_MASKED_EQ`` ``value`` is the mask and ``value_two`` the wanted value.
    """

    index: int
    op: str
    value: int
    value_two: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Gate:
    """When a rule applies: capabilities (bounding set), architectures (Go names), kernel."""

    capabilities: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    min_kernel: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a profile: ``names`` answer ``action`` when all ``comparisons`` hold (AND).

    ``errno`` is ``None`` when the entry has none.
    """

    names: tuple[str, ...]
    action: str
    errno: int | None = None
    comparisons: tuple[Comparison, ...] = ()
    comment: str = ""
    includes: Gate = field(default_factory=Gate)
    excludes: Gate = field(default_factory=Gate)


@dataclass(frozen=True, slots=True)
class Profile:
    """A seccomp profile in Docker's format.

    ``architectures`` (resolved, ``SCMP_ARCH_*``) and ``arch_map`` (architecture, its
    sub-architectures) exclude each other.
    """

    default_action: str
    rules: tuple[Rule, ...]
    default_errno: int | None = None
    architectures: tuple[str, ...] = ()
    arch_map: tuple[tuple[str, tuple[str, ...]], ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a profile is to be in force: native architecture, bounding set, kernel."""

    arch: str
    capabilities: frozenset[str]
    kernel: tuple[int, int]


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """What a filter answers to a call: an action and, for ``SCMP_ACT_ERRNO``, the errno."""

    action: str
    errno: int = 0


Conjunction = tuple[Comparison, ...]
"""Conditions that must all hold; ``()`` always holds."""


@dataclass(frozen=True, slots=True)
class FilterRules:
    """What a container runtime hands to libseccomp for one container on one host.

    ``arch`` is the native architecture by our name, ``architectures`` are ``SCMP_ARCH_…``, the
    native one first.  ``rules`` are a syscall's name, its answer and the condition, in the
    profile's order and without those that answer as ``default`` does.
    """

    arch: str
    default: Answer
    architectures: tuple[str, ...]
    rules: tuple[tuple[str, Answer, Conjunction], ...]


# ---------------------------------------------------------------- findings


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing a reader should know; ``id`` is documented in docs/findings.md, never reused.

    ``severity`` is ``error`` (the answer is no), ``warning`` or ``note``.
    """

    id: str
    severity: str
    subject: str
    message: str
    evidence: tuple[str, ...] = ()
    fix: str = ""
