"""What can be made one recording, and what that is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from synth.document import check_document
from synth.errors import DataError
from synth.merge import SEVERAL, merge_recordings
from synth.model import Filter, Health, Recording, Workload
from synth.recording import dump_recording, load_recording, recording_digest
from tests import builders
from tests.command import typed

SAMPLE = Path(__file__).parents[1] / "data" / "recording-1.0.0.json"


def of(*calls: str, **changes: object) -> Recording:
    return replace(
        builders.recording(builders.run(calls=[*builders.START, *calls])),
        **changes,  # type: ignore[arg-type]
    )


def test_runs_are_numbered_anew_and_kept_once() -> None:
    a, b = of("mkdir"), of("rmdir")
    whole = merge_recordings([a, b, a])
    assert [(run.workload, run.index) for run in whole.runs] == [("work", 0), ("work", 1)]
    assert len(whole.workloads) == 1
    assert [one.sha256 for one in whole.sources] == sorted(map(recording_digest, (a, b)))


def test_hosts_that_differ_are_said_so_and_kept() -> None:
    old, new = builders.host(kernel="6.9.1"), builders.host(kernel="6.10.0", runtime_version="1.3")
    whole = merge_recordings([of("mkdir", host=new), of("rmdir", host=old)])
    assert whole.host.kernel == "6.9.1", "the oldest, by number"
    assert whole.host.runtime_version == SEVERAL
    assert whole.host.runtime == "runc"
    assert {one.host for one in whole.sources} == {old, new}


def test_health_is_the_worst_of_all() -> None:
    bad = of("mkdir", health=Health(("lost 3",), ("n",), "no probe"), partial=True)
    whole = merge_recordings([of("rmdir"), bad])
    assert whole.health == Health(("lost 3",), ("n",), "no probe")
    assert whole.partial
    assert not whole.health.ok


def test_the_order_of_workloads_is_kept_where_it_is_one() -> None:
    works = (Workload("work", ("true",)), Workload("also", ("true",)))
    a, b = of("mkdir", workloads=works), of("rmdir", workloads=works)
    assert [one.name for one in merge_recordings([a, b]).workloads] == ["work", "also"]
    c = of("rmdir", workloads=works[::-1])
    assert [one.name for one in merge_recordings([a, c]).workloads] == ["also", "work"]


def test_limits_of_a_workload_are_the_widest() -> None:
    a = of("mkdir", workloads=(Workload("work", ("true",), timeout_s=5.0, repeat=3),))
    b = of("rmdir", workloads=(Workload("work", ("true",), timeout_s=9.0),))
    (work,) = merge_recordings([a, b]).workloads
    assert (work.timeout_s, work.repeat) == (9.0, 3)


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"filter": Filter("default", "docker-25.0")}, "mixed-baselines"),
        ({"filter": Filter("profile", "", "a" * 64)}, "mixed-baselines"),
        ({"host": builders.host(arch="aarch64")}, "mixed-architectures"),
        ({"subject": builders.subject(image_digest="sha256:" + "b" * 64)}, "cannot-combine"),
        ({"subject": builders.subject(user="dev")}, "cannot-combine"),
        ({"subject": builders.subject(capabilities=("CAP_CHOWN",))}, "cannot-combine"),
        ({"workloads": (Workload("work", ("false",)),)}, "cannot-combine"),
        ({"workloads": (Workload("work", ("true",), mode="exec"),)}, "cannot-combine"),
        ({"workloads": (Workload("work", ("true",), expected_exit=1),)}, "cannot-combine"),
    ],
)
def test_what_is_not_one_container_is_refused(changes: dict[str, object], slug: str) -> None:
    for pair in ([of(), of(**changes)], [of(**changes), of()]):
        with pytest.raises(DataError) as error:
            merge_recordings(pair, ["a", "b"])
        assert error.value.slug == slug
        assert error.value.where == "a, b"


def test_a_digest_outlives_the_version_of_the_format() -> None:
    """Written down by the release that wrote version 1.0.0."""
    digest = recording_digest(load_recording(SAMPLE))
    assert digest == "f8ec5de28da73233b5d92bbdbb480d424208ad86135568f1320408c8292a0dbb"


def test_older_versions_know_no_sources() -> None:
    document = json.loads(dump_recording(merge_recordings([of()])))
    versions = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
    check_document(document, schema="seccomp-synth/recording", versions=versions, where="x")
    for older in versions[:2]:
        with pytest.raises(DataError, match="unknown key 'sources'"):
            check_document(
                {**document, "schema_version": older},
                schema="seccomp-synth/recording",
                versions=versions,
                where="x",
            )


def test_from_files_to_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, recording in (
        ("a", of("mkdir")),
        ("b", of("rmdir", host=builders.host(kernel="5.15"))),
    ):
        (tmp_path / f"{name}.json").write_text(dump_recording(recording))
    a, b, whole = (tmp_path / f"{one}.json" for one in ("a", "b", "whole"))
    assert typed("combine", a, b, "-o", whole) == 0
    assert "2 recordings, 2 runs of 1 workload, 10 syscalls" in capsys.readouterr().err
    assert typed("combine", a, "-o", whole) == 2, "it is there already"
    assert typed("-q", "synth", whole, "-o", tmp_path / "one") == 0
    assert typed("-q", "synth", a, b, "-o", tmp_path / "many") == 0
    for path in (tmp_path / "one").rglob("*.*"):
        same = tmp_path / "many" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == same.read_bytes()
    profile = tmp_path / "many" / "seccomp.json"
    assert typed("-q", "report", whole, "--profile", profile, "--verify") == 0
    assert typed("-q", "report", a, "--profile", profile, "--verify") == 1
