"""Repair and reduction of a profile by real trials: a program, its filter, the recorder."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest

from synth import minimize as reduction
from synth.baseline import load_baseline
from synth.evidence import combine
from synth.generate import generate
from synth.minimize import candidates, minimize
from synth.model import Profile, Recording
from synth.refusals import ENOSYS, EPERM
from synth.removing import without
from synth.repair import Limit, Refused, Trial, repair
from synth.resolve import filter_rules, resolve
from synth.syscalls import DOCKER_DEFAULT_CAPABILITIES
from tests import builders
from tests.kernel.sandbox import ALLOW_ALL, run
from tracer.libseccomp import compile_rules
from tracer.observe import Observation, Observer

pytestmark = pytest.mark.kernel

SCRIPT = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir("a")
with open("a/f", "w") as file:
    file.write("text")
os.symlink("f", "a/g")
os.rename("a", "b")
print(sorted(os.listdir("b")), open("b/g").read(), oct(os.stat("b/f").st_mode))
for name in "fg":
    os.unlink("b/" + name)
os.rmdir("b")
"""
BASELINE = load_baseline("docker-25.0").profile
TAKEN = ("getdents64", "unlink", "mkdir", "socket", "symlink", "rename")


@pytest.fixture(scope="module")
def observer() -> Iterator[Observer]:
    with Observer(frozenset({EPERM, ENOSYS})) as one:
        yield one


class Script:
    """A script under any profile; ``made`` is the one that was made for it."""

    def __init__(self, observer: Observer, folders: pytest.TempPathFactory) -> None:
        self.observer, self.folders = observer, folders
        seen, self.before = self._run(ALLOW_ALL)
        assert self.before[0] == 0, self.before
        run = replace(
            builders.run("script"),
            **{
                name: getattr(seen, name)
                for name in ("syscalls", "arguments", "denials", "capabilities")
            },
        )
        self.recording: Recording = builders.recording(run, host=builders.host(runtime="crun"))
        generated = generate(
            combine([self.recording]), BASELINE, tuple(sorted(DOCKER_DEFAULT_CAPABILITIES))
        )
        self.made, self.target = generated.profile, generated.resolved.target

    def under(self, profile: Profile) -> tuple[bool, Observation]:
        """Run it, tell whether all is as before, and what was seen."""
        program = compile_rules(filter_rules(profile, self.target))
        code = b"".join(struct.pack("<HBBI", *one) for one in program)
        seen, came = self._run(code)
        return came == self.before, seen

    def _run(self, code: bytes) -> tuple[Observation, tuple[int, str]]:
        folder = self.folders.mktemp("work")
        command = ("/usr/bin/python3", "-S", "-c", SCRIPT, str(folder))
        seen, done = run(self.observer, command, program=code)
        return seen, (done.returncode, done.stdout)


@pytest.fixture(scope="module")
def script(observer: Observer, tmp_path_factory: pytest.TempPathFactory) -> Script:
    return Script(observer, tmp_path_factory)


def test_a_profile_with_holes_is_repaired(script: Script) -> None:
    broken = without(script.made, TAKEN)
    assert not script.under(broken)[0]

    def oracle(profile: Profile) -> Trial:
        ok, seen = script.under(profile)
        return Trial(ok, tuple(Refused(one, "script") for one in seen.denials))

    repaired = repair(broken, Limit(BASELINE, script.target), oracle, rounds=8)
    assert repaired.ok
    assert {one.name for one in repaired.added} == set(TAKEN) - {"socket"}
    assert repaired.trials == 1 + len(repaired.added)
    assert any(
        "repair: refused to python3 in workload script" in one.comment
        for one in repaired.profile.rules
    )


def test_what_the_program_does_not_miss_is_found(script: Script) -> None:
    allowed = resolve(script.made, script.target).names()
    groups = candidates(allowed, [script.recording], [script.recording.host])

    def oracle(removed: frozenset[str]) -> reduction.Trial:
        ok, seen = script.under(without(script.made, removed))
        return reduction.Trial(ok, frozenset(one.name for one in seen.denials) & removed)

    result = minimize(groups, oracle, 200)
    needed = {one.name for one in result.needed}
    assert not result.undecided
    assert groups[0] <= set(result.removable), "nothing that was not recorded is needed"
    assert {"getdents64", "unlink", "mkdir"} <= needed <= groups[1]
    most = math.ceil(math.log2(max(map(len, groups)))) + 2
    assert result.trials <= len(groups) + len(needed) * most
    assert script.under(without(script.made, result.removable))[0]
    for name in sorted(needed)[:5]:
        assert not script.under(without(script.made, {*result.removable, name}))[0]
