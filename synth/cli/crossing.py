"""``validate --cross``: what would each workload lack under a profile made from the others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from synth.baseline import recorded_default
from synth.cli.common import Settings, clean
from synth.cli.replaying import Case, Harness, require_whole
from synth.cli.replaying import Trial as Wish
from synth.cross import Cross, Lacked, cross, lacked_live, offline_oracle, workloads
from synth.errors import ExitCode
from synth.evidence import combine
from synth.files import write_atomic
from synth.fitting import fitting
from synth.generate import Generated
from synth.model import Recording
from synth.report.cross import render_json, render_text
from synth.syscalls import CAPABILITIES
from synth.text import many
from synth.wanted import Tightness


@dataclass(frozen=True)
class CrossOutput:
    """Where the table goes: stdout in a form (text or json), and a file if one is named."""

    form: str
    path: Path | None
    force: bool


@dataclass
class _Made:
    """The profile of all workloads but one, and the capabilities that go with it."""

    generated: Generated
    cap_add: tuple[str, ...]


@dataclass
class _Live:
    """Replays the workload that was left out, under the profile of the others."""

    settings: Settings
    harness: Harness
    cases: Sequence[Case]
    failed: list[str] = field(default_factory=list)

    def oracle(self, rest: tuple[Recording, ...], own: tuple[Recording, ...]) -> set[Lacked]:
        made = _make(rest)
        lacked: set[Lacked] = set()
        for name in workloads(own):
            for case in self.cases:
                if name in {work.name for work in case.recording.workloads}:
                    lacked |= self._replayed(case, name, made)
        return lacked

    def _replayed(self, case: Case, name: str, made: _Made) -> set[Lacked]:
        wish = Wish(made.generated.profile, made.cap_add, 1, (name,), controls=False)
        replayed = self.harness.replay(case, wish)
        require_whole(replayed)
        outcomes = {run.outcome for run in replayed.runs if run.workload == name}
        if outcomes != {"ok"}:
            self.failed.append(name)
        lacked = lacked_live(name, replayed.runs, [case.recording])
        so = "failed" if outcomes != {"ok"} else "ended as recorded"
        self.settings.note(
            clean(f"{name} under a profile of the others: {so}, {many(len(lacked), 'call')} lacked")
        )
        return lacked


def cross_live(
    settings: Settings, live: Harness, cases: Sequence[Case], output: CrossOutput
) -> int:
    """Leave each workload out, replay it under the profile of the others, print the table."""
    bench = _Live(settings, live, cases)
    result = cross([case.recording for case in cases], bench.oracle)
    return _conclude(settings, result, output, bench.failed)


def cross_offline(settings: Settings, recordings: Sequence[Recording], output: CrossOutput) -> int:
    """Leave each workload out and hold its recorded calls against the profile of the others."""
    oracle = offline_oracle(lambda rest: _make(rest).generated.resolved)
    return _conclude(settings, cross(recordings, oracle), output, ())


def _make(recordings: Sequence[Recording]) -> _Made:
    evidence = combine(recordings)
    baseline = recorded_default(recordings[0])
    # whoever recorded with a capability has consented to it
    capabilities, generated = fitting(
        evidence, baseline, Tightness.PORTABLE, consented=CAPABILITIES
    )
    return _Made(generated, capabilities.cap_add)


def _conclude(settings: Settings, result: Cross, output: CrossOutput, failed: Sequence[str]) -> int:
    """Print the table; it is evidence, neither good nor bad, so that the answer is always 0."""
    if output.path is not None:
        write_atomic(output.path, render_json(result), force=output.force)
        settings.note(f"wrote {output.path}")
    click.echo(
        render_json(result) if output.form == "json" else clean(render_text(result)), nl=False
    )
    if failed:
        settings.note(clean(f"failed under a profile of the others: {', '.join(sorted(failed))}"))
    return int(ExitCode.OK)
