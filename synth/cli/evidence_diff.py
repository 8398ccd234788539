"""Compare two replays or two recordings: the part of ``diff`` that is not about profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synth.cli.common import Settings
from synth.cli.difference import ANY, NEVER, Head, Section, as_markdown, as_text, fails
from synth.errors import DataError, UsageError
from synth.files import load_json
from synth.findings import dump_findings, fit_for_print
from synth.model import Finding
from synth.recording import SCHEMA as RECORDING
from synth.recording import load_recording, recording_digest
from synth.recording_diff import compare_recordings
from synth.replay import SCHEMA as REPLAY
from synth.replay import load_replay
from synth.replay_diff import Side, compare_replays, side
from synth.report.markdown import escape
from synth.text import one_line

PROFILE = "profile"
KINDS = {REPLAY: "replay", RECORDING: "recording"}
WORSE = "worse"

SECTIONS = (
    Section("broken", "workloads that fail now", ("SS121",), WORSE),
    Section("errors", "new errors", ("SS123",), WORSE),
    Section("refusals", "new refusals", ("SS125",), ""),
    Section("ways", "ways out that answer otherwise", ("SS127",), ""),
    Section("calls_new", "new calls", ("SS131",), ""),
    Section("calls_gone", "calls no longer made", ("SS132",), ""),
    Section("capabilities", "capabilities used otherwise", ("SS133",), ""),
    Section("refused", "refusals while recording", ("SS134",), ""),
    Section("mended", "workloads that pass now", ("SS122",), ""),
    Section("errors_gone", "errors that are gone", ("SS124",), ""),
    Section("refusals_gone", "refusals that are gone", ("SS126",), ""),
    Section("one_only", "in one only", ("SS129",), ""),
    Section("moved", "moved", ("SS128",), ""),
)


def kind_of(path: Path) -> str:
    """Return what a file is by its own word: ``replay``, ``recording``, else ``profile``.

    What cannot be read is left to the reader of profiles, who says why.
    """
    try:
        document = load_json(path)
    except (DataError, UsageError):
        return PROFILE
    schema = document.get("schema") if isinstance(document, dict) else None
    return KINDS.get(schema, PROFILE) if isinstance(schema, str) else PROFILE


def evidence_diff(
    settings: Settings,
    kind: str,
    new: Path,
    old: Path | None,
    recordings: Sequence[Path],
    form: str,
    fail_on: Sequence[str],
) -> tuple[str, bool]:
    """Return the comparison of two files of one kind, and whether ``new`` is worse."""
    if old is None:
        raise bad_option(f"a {kind} is compared with an older one", "name it with --against")
    if set(fail_on) - {ANY, NEVER, "widened"}:
        raise bad_option("--fail-on of that kind belongs to profiles", f"take {ANY} or {NEVER}")
    if kind == "replay":
        found = compare_replays(*(_side(path, recordings) for path in (new, old)))
    else:
        if recordings:
            raise bad_option("--recording belongs to replays", "leave it out")
        found = compare_recordings(load_recording(new), load_recording(old))
    safe = tuple(fit_for_print(one) for one in found)
    bad = fails(safe, (WORSE,), SECTIONS) or (ANY in fail_on and bool(safe))
    return _rendered(settings, Head(one_line(str(new)), one_line(str(old))), safe, form), (
        bad and NEVER not in fail_on
    )


def bad_option(what: str, fix: str) -> UsageError:
    """Return the error for options that do not go with the files."""
    return UsageError(what, where="diff", slug="bad-option", fix=fix)


def _side(path: Path, recordings: Sequence[Path]) -> Side:
    replay = load_replay(path)
    known = {recording_digest(one): one for one in map(load_recording, recordings)}
    return side(replay, known.get(replay.recording_sha256), str(path))


def _rendered(settings: Settings, head: Head, found: Sequence[Finding], form: str) -> str:
    if form == "json":
        return dump_findings(found)
    if form == "markdown":
        # here messages repeat what programs are called
        escaped = [replace(one, message=escape(one.message)) for one in found]
        return as_markdown(head, escaped, SECTIONS)
    return as_text(head, found, SECTIONS, verbose=settings.verbosity > 0)
