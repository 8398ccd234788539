"""Describe the engines that ``lint`` judges a profile for, as far as they read one differently.

Versions are those that distributions and the engines' own packages pair; a name that a target's
libseccomp does not have is left out of its filter without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from synth.errors import UsageError


@dataclass(frozen=True, slots=True)
class Engine:
    """A reader of profiles.  ``dialect`` is what it reads; versions are ``(2, 5, 4)``.

    ``floor`` is what its runtime calls under the filter in every start; ``quiet_floor`` the same
    under no-new-privileges.  ``flags`` is ``works``, ``dropped`` or ``fatal``.
    """

    name: str
    dialect: str
    runtime: str
    libseccomp: tuple[int, ...]
    floor: frozenset[str]
    quiet_floor: frozenset[str]
    flags: str = "works"
    default_errno: bool = True


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Measured by taking one name away after the other, 15 to 100 starts each.
_RUNC_QUIET = _names("close execve fstatfs futex getdents64 openat read rt_sigreturn write")
_RUNC = _RUNC_QUIET | _names(
    "capget capset chdir fstat getcwd getppid newfstatat prctl setgid setgroups setuid"
)
_RUNC_11 = _RUNC | {"faccessat2"}
_RUNC_13 = _RUNC | {"openat2", "statx"}
_RUNC_13_QUIET = _RUNC_QUIET | {"fstat", "openat2", "statx"}
_CRUN_QUIET = _names("close execve")
_CRUN = _CRUN_QUIET | _names(
    "capset prctl pselect6 read rt_sigaction rt_sigprocmask setresgid setresuid write"
)

_ALL = (
    Engine(
        "docker-20.10", "docker", "runc 1.1", (2, 5, 4), _RUNC_11, _RUNC_QUIET, "dropped", False
    ),
    Engine("docker-23", "docker", "runc 1.1", (2, 5, 4), _RUNC_11, _RUNC_QUIET, "fatal"),
    Engine("docker-28", "docker", "runc 1.3", (2, 5, 6), _RUNC_13, _RUNC_13_QUIET),
    Engine("podman", "podman", "crun", (2, 5, 4), _CRUN, _CRUN_QUIET),
    Engine("kubernetes", "kubernetes", "runc 1.3", (2, 5, 6), _RUNC_13, _RUNC_13_QUIET),
    Engine("runc-1.1", "oci", "runc 1.1", (2, 5, 4), _RUNC_11, _RUNC_QUIET, "fatal"),
    Engine("runc-1.3", "oci", "runc 1.3", (2, 5, 6), _RUNC_13, _RUNC_13_QUIET),
    Engine("crun", "oci", "crun", (2, 5, 4), _CRUN, _CRUN_QUIET),
)
ENGINES = {one.name: one for one in _ALL}

ADDED: tuple[tuple[tuple[int, ...], frozenset[str]], ...] = (
    (
        (2, 5, 2),
        _names(
            "close_range epoll_pwait2 landlock_add_rule landlock_create_ruleset "
            "landlock_restrict_self memfd_secret mount_setattr process_madvise quotactl_fd"
        ),
    ),
    ((2, 5, 3), _names("process_mrelease")),
    ((2, 5, 4), _names("futex_waitv set_mempolicy_home_node")),
    ((2, 5, 5), _names("cachestat fchmodat2 futex_requeue futex_wait futex_wake map_shadow_stack")),
    (
        (2, 5, 6),
        _names(
            "getxattrat listmount listxattrat lsm_get_self_attr lsm_list_modules "
            "lsm_set_self_attr mseal removexattrat riscv_hwprobe setxattrat statmount uretprobe"
        ),
    ),
    (
        (2, 6, 1),
        _names("file_getattr file_setattr listns open_tree_attr rseq_slice_yield uprobe"),
    ),
)
"""Names by the first release of libseccomp whose table has them, from its syscalls.csv by tag."""


def targets(names: tuple[str, ...], dialect: str) -> tuple[Engine, ...]:
    """Return the engines named, or those that read ``dialect``; raises ``UsageError``."""
    if not names:
        return tuple(one for one in _ALL if one.dialect == dialect)
    unknown = [name for name in names if name not in ENGINES]
    if unknown:
        raise UsageError(
            f"no such target {unknown[0][:60]!r}",
            slug="bad-option",
            where="--target",
            fix=f"name one of {', '.join(ENGINES)}",
        )
    return tuple(one for one in _ALL if one.name in names)


def unknown_to(engine: Engine, names: tuple[str, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the names that the engine's libseccomp lacks, with the release that added them."""
    return tuple(
        (name, release)
        for name in names
        for release, added in ADDED
        if name in added and release > engine.libseccomp
    )
