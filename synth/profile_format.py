"""List the words of Docker's profile format: keys, actions, operators, flags, architectures.

Source: the OCI runtime specification (config-linux.md, seccomp) and Docker's additions to it
(moby/profiles, seccomp.go).
"""

from __future__ import annotations

PROFILE_KEYS = (
    "defaultAction",
    "defaultErrnoRet",
    "architectures",
    "archMap",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "syscalls",
)
RULE_KEYS = ("names", "name", "action", "errnoRet", "args", "comment", "includes", "excludes")
ARGUMENT_KEYS = ("index", "value", "valueTwo", "op")
GATE_KEYS = ("caps", "arches", "minKernel")
ARCH_MAP_KEYS = ("architecture", "subArchitectures")

PODMAN_KEYS = ("defaultErrno", "errno")
"""Keys of Podman's and CRI-O's dialect: errno names that override the numbers."""

DOCKER_KEYS = ("archMap", "name", "comment", "includes", "excludes")
"""Keys that an engine resolves before a runtime sees the filter; OCI's readers ignore them."""

DIALECTS = ("docker", "podman", "oci", "kubernetes")
"""Who reads a profile file.  containerd, under Kubernetes, reads OCI's."""

RESOLVED_DIALECTS = ("oci", "kubernetes")


def keys_of(known: tuple[str, ...], dialect: str) -> tuple[str, ...]:
    """Return which of Docker's keys ``known`` a dialect has, and its own beside them."""
    if dialect in RESOLVED_DIALECTS:
        return tuple(key for key in known if key not in DOCKER_KEYS)
    if dialect != "podman":
        return known
    kept = tuple(key for key in known if key != "minKernel")
    if known == PROFILE_KEYS:
        return (*kept, "defaultErrno")
    return (*kept, "errno") if known == RULE_KEYS else kept


def detect_dialect(document: object) -> str:
    """Tell whose profile a parsed JSON document is by the keys only one of them has.

    A document without any is the same to all; it counts as OCI's if it lists architectures.
    """
    if not isinstance(document, dict):
        return "docker"
    entries = document.get("syscalls")
    keys = set(document)
    for entry in entries if isinstance(entries, list) else ():
        keys |= set(entry) if isinstance(entry, dict) else set()
    if keys & set(PODMAN_KEYS):
        return "podman"
    if keys & set(DOCKER_KEYS) or "architectures" not in keys:
        return "docker"
    return "oci"


ALLOW = "SCMP_ACT_ALLOW"
ERRNO = "SCMP_ACT_ERRNO"
LOG = "SCMP_ACT_LOG"

ALLOWING = (ALLOW, LOG)
"""Actions that let the call through."""

ACTIONS = (
    ALLOW,
    ERRNO,
    LOG,
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_NOTIFY",
)
THREAD_KILLS = ("SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD")
LISTENED = ("SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE")
"""Actions that wait for a supervisor, which no engine starts from a profile file."""

EPERM = 1
"""What ``SCMP_ACT_ERRNO`` answers when no errno is given."""

FLAGS = (
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
)

SCMP_ARCHITECTURES = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        "X86",
        "X86_64",
        "X32",
        "ARM",
        "AARCH64",
        "LOONGARCH64",
        "M68K",
        "MIPS",
        "MIPS64",
        "MIPS64N32",
        "MIPSEL",
        "MIPSEL64",
        "MIPSEL64N32",
        "PARISC",
        "PARISC64",
        "PPC",
        "PPC64",
        "PPC64LE",
        "RISCV64",
        "S390",
        "S390X",
        "SH",
        "SHEB",
    )
)

# The names Docker compares includes.arches with; mips3l64n32 is its name for MIPSEL64N32.
GATE_ARCHES = (
    "amd64",
    "arm",
    "arm64",
    "loongarch64",
    "mips",
    "mips3l64n32",
    "mips64",
    "mips64n32",
    "mipsel",
    "mipsel64",
    "parisc",
    "parisc64",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv64",
    "s390",
    "s390x",
    "x32",
    "x86",
)


def foreign(key: str, dialect: str) -> tuple[str, str]:
    """Say what a dialect does with one of Docker's keys that it does not have, and the way out."""
    if key == "minKernel":
        return (
            "Podman ignores minKernel: the entry applies on every kernel",
            "remove the entry or the condition",
        )
    reader = "containerd" if dialect == "kubernetes" else "an OCI runtime"
    effects = {
        "archMap": "only the native architecture is admitted",
        "name": "the entry names no syscall",
        "includes": "the entry applies without its condition",
        "excludes": "the entry applies without its condition",
        "comment": "it is a comment anyway",
    }
    return (
        f"{reader} ignores Docker's key {key!r}: {effects[key]}",
        "write the resolved form (seccomp-synth synth --oci)",
    )
