"""Hypothesis strategies for recordings, as hostile as the format admits."""

from __future__ import annotations

from hypothesis import strategies as st

from synth.baseline import load_baseline
from synth.model import (
    ArgumentUse,
    CapabilityUse,
    Denial,
    Health,
    OutputDigest,
    Recording,
    Run,
    SyscallUse,
    Target,
    Workload,
)
from synth.resolve import resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES, syscall_names, syscall_number
from tests import builders

BASELINE = "docker-20.10"
LIMIT = resolve(
    load_baseline(BASELINE).profile, Target("x86_64", DOCKER_DEFAULT_CAPABILITIES, (6, 1))
)
NAMES = sorted(LIMIT.names() & syscall_names("x86_64"))
NAMES_X86 = sorted(LIMIT.names() & syscall_names("x86"))
ARCHES = st.sampled_from(["x86_64"] * 9 + ["x86"])

PROGRAMS = st.one_of(
    st.sampled_from(["sh", "python3", "git", "\x1b[31m", "=cmd|x", "</script>"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=15),
)
WORKLOADS = st.sampled_from(["tests", "git", "http", "w.4", "a-b"])
PHASES = st.sampled_from(["workload", "workload", "runtime"])
DIGESTS = st.builds(
    OutputDigest,
    st.integers(0, 2**32),
    st.sampled_from(["0" * 64, "a" * 64]),
    st.sampled_from(["1" * 64, "b" * 64]),
)


def number(name: str, arch: str = "x86_64") -> int:
    found = syscall_number(arch, name)
    assert found is not None
    return found


@st.composite
def syscall_uses(draw: st.DrawFn) -> SyscallUse:
    arch = draw(ARCHES)
    name = draw(st.sampled_from(NAMES if arch == "x86_64" else NAMES_X86))
    moment = draw(st.integers(0, 100_000)) / 10
    return SyscallUse(arch, name, number(name, arch), draw(PHASES), draw(PROGRAMS), moment)


SOCKETS = st.builds(
    lambda families, overflow, arch: builders.sockets(*families, overflow=overflow, arch=arch),
    st.sets(st.integers(0, 45), min_size=1, max_size=4),
    st.booleans(),
    ARCHES,
)
PERSONALITIES = st.builds(
    lambda values, arch: builders.personalities(*values, arch=arch),
    st.sets(st.sampled_from([0, 8, 0x20000, 0x40000, 0xFFFFFFFF]), min_size=1, max_size=3),
    ARCHES,
)


@st.composite
def argument_uses(draw: st.DrawFn) -> tuple[ArgumentUse, ...]:
    return tuple(draw(one) for one in (SOCKETS, PERSONALITIES) if draw(st.booleans()))


@st.composite
def denials(draw: st.DrawFn) -> Denial:
    name = draw(
        st.sampled_from(["keyctl", "mbind", "clone3", "unshare", "cachestat", "personality"])
    )
    errno = draw(st.sampled_from([1, 38]))
    value = draw(st.sampled_from([8, 0x40000, 0x80000]))
    arguments = ((0, builders.INT, value),) if name == "personality" else ()
    return Denial("x86_64", name, number(name), errno, "workload", draw(PROGRAMS), 1, arguments)


@st.composite
def capability_uses(draw: st.DrawFn) -> CapabilityUse:
    name = draw(st.sampled_from(sorted(DOCKER_DEFAULT_CAPABILITIES)))
    syscall = draw(st.sampled_from(["chown", "setuid", "kill"]))
    return CapabilityUse(name, syscall, draw(PROGRAMS), draw(st.integers(1, 2**40)))


@st.composite
def runs(draw: st.DrawFn, workload: str, index: int) -> Run:
    uses = {
        (one.arch, one.name, one.phase): one for one in draw(st.lists(syscall_uses(), max_size=12))
    }
    first = builders.call("read")
    uses.setdefault(("x86_64", "read", "workload"), first)
    arguments = draw(argument_uses())
    for seen in arguments:
        made = builders.call(seen.name, arch=seen.arch)
        uses.setdefault((seen.arch, seen.name, "workload"), made)
    refused = {
        (one.name, one.errno, one.program, one.arguments): one
        for one in draw(st.lists(denials(), max_size=3))
    }
    granted = {
        (one.name, one.syscall, one.program): one
        for one in draw(st.lists(capability_uses(), max_size=3))
    }
    return Run(
        workload,
        index,
        "ok",
        0,
        draw(st.integers(0, 10**6)) / 10,
        draw(DIGESTS),
        draw(DIGESTS),
        tuple(sorted(uses.values())),
        tuple(sorted(arguments)),
        tuple(sorted(refused.values())),
        tuple(sorted(granted.values())),
    )


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    names = draw(st.lists(WORKLOADS, min_size=1, max_size=3, unique=True))
    made = tuple(
        draw(runs(name, index)) for name in names for index in range(draw(st.integers(1, 2)))
    )
    return builders.recording(
        *made,
        health=Health(notes=tuple(draw(st.lists(PROGRAMS, max_size=2)))),
        workloads=tuple(Workload(name, ("sh", "-c", draw(PROGRAMS))) for name in sorted(names)),
    )
