"""Gather what a report is made from, and see whether it belongs together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from synth.baseline import Baseline
from synth.emit.provenance import Provenance
from synth.model import Finding, Profile, Recording
from synth.profile import dump_profile
from synth.recording import recording_digest
from synth.replay import Replay
from synth.report.model import Check

OTHER_PROFILE, OTHER_RECORDING, VALIDATED_OTHER = "SS601", "SS602", "SS603"
REPLAYED_OTHER, NOT_GIVEN, OTHER_CAPABILITIES = "SS604", "SS605", "SS608"
NO_PROVENANCE = "SS610"


@dataclass(frozen=True)
class Inputs:
    """The files of one report, parsed; names are the files', for messages.

    ``cap_add`` is ``None`` without a capability list.  ``text`` is the profile's file as it is.
    ``lead`` are questions answered elsewhere, ``extra`` the findings of it, as of a check for
    drift: its recordings are new, so the files are not asked whether they belong together.
    """

    name: str
    text: str
    profile: Profile
    baseline: Baseline
    recordings: tuple[tuple[str, Recording], ...]
    cap_add: tuple[str, ...] | None = None
    provenance: Provenance | None = None
    replays: tuple[tuple[str, Replay], ...] = ()
    lead: tuple[Check, ...] = ()
    extra: tuple[Finding, ...] = ()

    @cached_property
    def profile_sha256(self) -> str:
        """The digest of the profile's canonical text, which provenance and replays hold."""
        return hashlib.sha256(dump_profile(self.profile).encode()).hexdigest()

    def digests(self) -> tuple[str, ...]:
        """Return the digests of the recordings, in their order."""
        return self._digests

    @cached_property
    def _digests(self) -> tuple[str, ...]:
        return tuple(recording_digest(recording) for _, recording in self.recordings)

    def pairs(self) -> Iterator[tuple[str, Replay, Recording | None]]:
        """Yield each replay with the recording it replays, ``None`` if that was not given."""
        by_digest = {
            digest: recording
            for digest, (_, recording) in zip(self.digests(), self.recordings, strict=True)
        }
        for name, replay in self.replays:
            yield name, replay, by_digest.get(replay.recording_sha256)


def belonging(inputs: Inputs) -> tuple[Finding, ...]:
    """Return what does not belong together, by digests; nothing if everything does."""
    return tuple(sorted([*_by_provenance(inputs), *_by_replays(inputs)]))


def _by_provenance(inputs: Inputs) -> Iterable[Finding]:
    provenance = inputs.provenance
    if provenance is None:
        yield Finding(
            NO_PROVENANCE,
            "warning",
            "provenance",
            "there is no provenance.json beside the profile: nothing says what it was made from",
            fix="keep the folder that synth writes together",
        )
        return
    if provenance.profile_sha256 != inputs.profile_sha256:
        yield Finding(
            OTHER_PROFILE,
            "error",
            "profile",
            "is not the one that provenance.json describes: one of them was changed",
            (f"profile {inputs.profile_sha256}", f"provenance {provenance.profile_sha256}"),
            "make both again with: seccomp-synth synth",
        )
    given = dict(zip(inputs.digests(), (name for name, _ in inputs.recordings), strict=True))
    sources = _sources(inputs)
    for digest, name in given.items():
        if not ({digest} | sources[digest]) & set(provenance.recordings):
            yield Finding(
                OTHER_RECORDING,
                "error",
                name,
                "is none of the recordings that the profile was made from",
                (f"sha256 {digest}",),
                "name those, or make the profile again from this one too",
            )
    missing = sorted(set(provenance.recordings) - set(given).union(*sources.values()))
    if missing:
        yield Finding(
            NOT_GIVEN,
            "warning",
            "recordings",
            f"{len(missing)} of the recordings that the profile was made from were not given",
            tuple(f"sha256 {digest}" for digest in missing),
            "name them as well",
        )


def _sources(inputs: Inputs) -> Mapping[str, set[str]]:
    """Return the digests of what each recording was combined from."""
    recordings = (recording for _, recording in inputs.recordings)
    return {
        digest: {one.sha256 for one in recording.sources}
        for digest, recording in zip(inputs.digests(), recordings, strict=True)
    }


def _by_replays(inputs: Inputs) -> Iterable[Finding]:
    for name, replay, recording in inputs.pairs():
        if replay.profile_sha256 != inputs.profile_sha256:
            yield Finding(
                VALIDATED_OTHER,
                "error",
                name,
                "validates another profile than this one",
                (f"profile {inputs.profile_sha256}", f"validated {replay.profile_sha256}"),
                "validate again",
            )
        if recording is None:
            yield Finding(
                REPLAYED_OTHER,
                "error",
                name,
                "replays another recording than those given",
                (f"sha256 {replay.recording_sha256}",),
                "name that recording, or validate again",
            )
        granted = inputs.cap_add
        if granted is not None and tuple(sorted(replay.cap_add)) != tuple(sorted(granted)):
            yield Finding(
                OTHER_CAPABILITIES,
                "error",
                name,
                "was made with other capabilities than those listed",
                (f"validated with {' '.join(replay.cap_add) or 'none'}",),
                "validate again",
            )
