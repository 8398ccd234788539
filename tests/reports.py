"""Make reports for tests: a profile from recordings, replays that repeat them, hostile texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from synth.baseline import load_baseline
from synth.capabilities import derive_capabilities
from synth.emit.provenance import Provenance
from synth.environment import environments
from synth.evidence import combine
from synth.generate import generate
from synth.model import (
    Answer,
    CapabilityUse,
    Denial,
    FileDigest,
    Health,
    OutputDigest,
    Profile,
    Recording,
    Rule,
    Target,
    Workload,
)
from synth.primitives import Attempted, Outcome
from synth.profile import dump_profile
from synth.recording import recording_digest
from synth.replay import Replay
from synth.report.build import build
from synth.report.inputs import Inputs
from synth.report.model import Report
from synth.report.ways import by_rules
from synth.resolve import resolve
from synth.wanted import Tightness
from tests import builders

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\x1b[31mred\x1b]8;;http://evil.example\x07link",
    "\u202egnp.exe\u2066\u200f\u2069",
    "a\nb\r\n::error::owned",
    "| a | b |\n| - | - |\n# head",
    "`code` **bold** [x](javascript:alert(1)) ![y](http://evil.example/z)",
    "{{ 7*7 }}{% raw %}{# no",
    "%0A::set-output name=x::y",
    "=cmd|' /C calc'!A0",
    "&lt;b&gt;&#x1b;\"' onmouseover='x",
    "@everyone #1 https://evil.example www.evil.example",
    "\u05d0\u05d1\u0627\u0660",
    "e" + "\u0301" * 12,
    "-->]]><!--\x00\x7f\x85\u2028\ufeff",
    "$(touch /tmp/owned) \\ ~x~ $a$",
)
"""Texts that mean something to a browser, a terminal, Markdown, a log or a shell."""


def made(*recordings: Recording, **changes: Any) -> Inputs:
    """Return the inputs of a report on the profile made from ``recordings``; changes replace."""
    found = recordings or (builders.recording(),)
    evidence = combine(found)
    baseline = load_baseline("docker-20.10")
    capabilities = derive_capabilities(evidence)
    result = generate(evidence, baseline.profile, capabilities.cap_add, Tightness.PORTABLE)
    inputs = Inputs(
        name="out/seccomp.json",
        text=dump_profile(result.profile),
        profile=result.profile,
        baseline=baseline,
        recordings=tuple((f"{n}.recording.json", one) for n, one in enumerate(found)),
        cap_add=capabilities.cap_add,
    )
    inputs = replace(
        inputs,
        provenance=Provenance(
            baseline.name,
            "portable",
            tuple(recording_digest(one) for one in found),
            inputs.profile_sha256,
            environments(found),
            result.decisions,
            result.findings,
        ),
    )
    return replace(inputs, **changes)


def replayed(inputs: Inputs, number: int = 0, **changes: Any) -> Replay:
    """Return a replay in which everything went as recorded."""
    recording = inputs.recordings[number][1]
    replay = Replay(
        inputs.digests()[number],
        inputs.profile_sha256,
        inputs.cap_add or (),
        recording.host,
        Health(),
        recording.runs,
        recording.runs,
    )
    return replace(replay, **changes)


def tried(inputs: Inputs, **outcomes: Outcome | None) -> tuple[Attempted, ...]:
    """Return the ways out as if tried: refused as the profile says, but for calls in ``outcomes``.

    What the profile allows the kernel answers with EINVAL.
    """
    host = inputs.recordings[0][1].host
    target = Target(host.arch, frozenset(inputs.cap_add or ()), (6, 1))
    profile, default = resolve(inputs.profile, target), resolve(inputs.baseline.profile, target)
    return tuple(
        one._replace(outcome=outcomes.get(one.attempt.name, _outcome(one.profile)))
        for one in by_rules(profile, default)
    )


def _outcome(answer: Answer) -> Outcome:
    if answer.action == "SCMP_ACT_ERRNO":
        return Outcome(-answer.errno, 0)
    return Outcome(-22, 0) if answer.action == "SCMP_ACT_ALLOW" else Outcome(None, 31)


def proven(*recordings: Recording) -> Inputs:
    """Return inputs with a validation that passed."""
    inputs = made(*recordings)
    replays = tuple(
        (f"{n}.replay.json", replayed(inputs, n)) for n in range(len(inputs.recordings))
    )
    return replace(inputs, replays=replays)


def with_profile(inputs: Inputs, profile: Profile) -> Inputs:
    """Return inputs with another profile, as if the file had been edited."""
    return replace(inputs, profile=profile, text=dump_profile(profile))


def allowing(profile: Profile, *names: str) -> Profile:
    """Return ``profile`` with more calls allowed, and no longer refused."""
    kept = []
    for rule in profile.rules:
        rest = tuple(name for name in rule.names if name not in names)
        if rest:
            kept.append(replace(rule, names=rest))
    return replace(profile, rules=(Rule(tuple(sorted(names)), "SCMP_ACT_ALLOW"), *kept))


def hostile() -> Report:
    """Return a report on a recording that means harm, with the worst text in every place."""
    recordings = [_hostile(text, number) for number, text in enumerate(HOSTILE)]
    inputs = made(*recordings)
    named = tuple(
        (f"{text}.json", one) for text, (_, one) in zip(HOSTILE, inputs.recordings, strict=True)
    )
    attempts = tried(inputs, bpf=Outcome(0, 0), mount=None)
    replays = tuple(
        (text, _hostile_replay(inputs, number, text, attempts))
        for number, text in enumerate(HOSTILE)
    )
    return build(replace(inputs, name="".join(HOSTILE), recordings=named, replays=replays))


def _hostile_replay(
    inputs: Inputs, number: int, text: str, attempts: tuple[Attempted, ...]
) -> Replay:
    """Return a replay with refusals of every kind, and files, masks and labels that mean harm."""
    recording = inputs.recordings[number][1]
    (run,) = recording.runs
    denials = (
        *run.denials,
        replace(builders.denial("mkdir", 38), program=text[:15]),
        replace(builders.denial("chown", 0), program=text[:15], phase="runtime", count=2**63),
    )
    digest = OutputDigest(1, f"{number:064x}", f"{number:064x}")
    now = replace(
        run, denials=denials, files=(FileDigest(f"/{text}", digest), FileDigest("/", None))
    )
    beside = (
        replace(run, files=(FileDigest(f"/{text}", None), FileDigest("/", digest))),
        replace(run, index=1, files=(FileDigest(f"/{text}", builders.EMPTY),)),
    )
    return replayed(
        inputs,
        number,
        runs=(now,),
        controls=beside,
        health=Health((text,), (text,)),
        host=recording.host,
        masks=(text,),
        attempts=tuple(
            one._replace(attempt=one.attempt._replace(label=text[:128])) for one in attempts
        ),
    )


def _hostile(text: str, number: int) -> Recording:
    short = text[:15]
    workload = f"w{number}"
    run = builders.run(
        workload,
        [*builders.START, builders.call("chown", short)],
        denials=(replace(builders.denial("keyctl", 1), program=short),),
        capabilities=(CapabilityUse("CAP_CHOWN", short, short, 1),),
    )
    assert isinstance(run.denials[0], Denial)
    return builders.recording(
        run,
        subject=builders.subject(image=text, libc=text, user=text, network=text, mounts=(text,)),
        host=builders.host(engine_version=text, runtime=text, runtime_version=text),
        health=Health((text,), (text,), text),
        probes=(text,),
        workloads=(Workload(workload, ("sh", "-c", text)),),
    )
