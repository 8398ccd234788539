"""One recording of many: the order, repeats and earlier combining do not matter."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from synth.evidence import combine
from synth.files import parse_json
from synth.merge import merge_recordings
from synth.model import Recording
from synth.recording import dump_recording, parse_recording
from tests import builders
from tests.strategies import recordings

HOSTS = st.builds(
    builders.host,
    kernel=st.sampled_from(["5.15.0-91", "6.1.0", "6.10.3", "6.2.1", "odd"]),
    runtime_version=st.sampled_from(["1.1.5", "1.2.8"]),
)


@st.composite
def alike(draw: st.DrawFn) -> Recording:
    """A recording of the one container, on some host."""
    recording = draw(recordings())
    works = tuple(
        replace(work, command=("true",), timeout_s=draw(st.sampled_from([1.0, 9.0])))
        for work in recording.workloads
    )
    order = draw(st.permutations(works))
    image = draw(st.sampled_from(["debian:12", "debian:bookworm"]))
    return replace(
        recording,
        workloads=tuple(order),
        host=draw(HOSTS),
        subject=replace(recording.subject, image=image),
        partial=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None)
@given(alike(), alike(), alike())
def test_combining_is_a_union(a: Recording, b: Recording, c: Recording) -> None:
    whole = merge_recordings([a, b, c])
    assert whole == merge_recordings([c, b, a, b])
    assert whole == merge_recordings([merge_recordings([a, b]), c])
    assert whole == merge_recordings([a, merge_recordings([b, c])])
    assert whole == merge_recordings([whole])
    assert whole == merge_recordings([whole, a])


@settings(max_examples=60, deadline=None)
@given(alike(), alike())
def test_the_evidence_is_the_same_as_of_both(a: Recording, b: Recording) -> None:
    same = replace(b, subject=a.subject)
    combined, separate = combine([merge_recordings([a, same])]), combine([a, same])
    assert combined == separate


@settings(max_examples=40, deadline=None)
@given(alike(), alike())
def test_a_combined_recording_can_be_read(a: Recording, b: Recording) -> None:
    whole = merge_recordings([a, b])
    text = dump_recording(whole)
    assert parse_recording(parse_json(text.encode(), where="x"), where="x") == whole
