"""What ``validate`` takes from a recording, and what only from the user."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from synth.cli import again, replaying, validation
from synth.errors import HostError, UsageError
from synth.model import Container, Health, Profile, Recording, Rule, Run, Workload
from synth.profile import dump_profile
from synth.recording import dump_recording
from synth.replay import Replay, load_replay
from tests import builders
from tests.command import typed
from tracer import libseccomp


def test_host_paths_and_values_come_from_the_command_line(tmp_path: Path) -> None:
    subject = builders.subject(environment=("TOKEN",), mounts=("/data",))
    recording = builders.recording(subject=subject)
    with pytest.raises(UsageError, match="add -e TOKEN=VALUE"):
        again.container_of(recording, (), ())
    with pytest.raises(UsageError, match="add --mount SRC:/data"):
        again.container_of(recording, ("TOKEN=x",), ())
    container = again.container_of(recording, ("TOKEN=x",), (f"{tmp_path}:/data:ro",))
    assert container.environment == (("TOKEN", "x"),)
    assert container.mounts == ((str(tmp_path), "/data", "ro"),)
    assert container.image == subject.image_digest, "the same image, whatever its name is now"


def test_a_recording_cannot_ask_for_more_than_docker_grants() -> None:
    """The control run gives the container what the recording says that it had."""
    recording = builders.recording(subject=builders.subject(cap_add=("ALL", "CAP_SYS_ADMIN")))
    with pytest.raises(UsageError, match="asks for ALL, CAP_SYS_ADMIN"):
        again.require_consent(recording, ())
    with pytest.raises(UsageError, match="asks for ALL"):
        again.require_consent(recording, ("CAP_SYS_ADMIN",))
    again.require_consent(builders.recording(), ())


@pytest.mark.parametrize("network", ["host", "container:other", "ns:/proc/1/ns/net"])
def test_another_s_network_is_not_joined_on_a_recording_s_word(network: str) -> None:
    recording = builders.recording(subject=builders.subject(network=network))
    with pytest.raises(UsageError) as refused:
        again.container_of(recording, (), ())
    assert refused.value.slug == "foreign-network"
    known = Container("image", network="none")
    assert again.container_of(recording, (), (), known).network == "none"


def test_time_limits_follow_what_the_runs_took() -> None:
    quick = Workload("quick", ("true",), timeout_s=300)
    slow = Workload("slow", ("true",), timeout_s=20)
    main = Workload("main", ("sleep",), mode="main")
    runs = (
        replace(builders.run("quick"), duration_ms=1000.0),
        replace(builders.run("slow"), duration_ms=19_000.0),
        builders.run("main"),
    )
    recording: Recording = builders.recording(*runs, workloads=(quick, slow, main))
    limits = {one.name: one.timeout_s for one in replaying.limited(recording)}
    assert limits == {"quick": 23.0, "slow": 20.0}


def test_every_errno_a_profile_can_answer_is_watched_for() -> None:
    profile = Profile(
        "SCMP_ACT_ERRNO",
        (Rule(("mkdir",), "SCMP_ACT_ERRNO", 13), Rule(("read",), "SCMP_ACT_ALLOW")),
        default_errno=95,
    )
    assert replaying.errnos_of(profile) == {1, 13, 38, 95}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A recording, the profile of it, and one that lacks a call."""
    recording = builders.recording(builders.run("work"))
    (tmp_path / "r.json").write_text(dump_recording(recording))
    allowed = {use.name for run in recording.runs for use in run.syscalls}
    for name, names in (("good", allowed), ("bad", {min(allowed)})):
        rule = Rule(tuple(sorted(names)), "SCMP_ACT_ALLOW")
        profile = Profile("SCMP_ACT_ERRNO", (rule,), default_errno=1)
        (tmp_path / f"{name}.json").write_text(dump_profile(profile))
    return {name: str(tmp_path / f"{name}.json") for name in ("r", "good", "bad")}


def test_offline_holds_the_recorded_calls_against_the_filter(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("validate", files["r"], "--profile", files["good"], "--offline") == 0
    assert "passed: " in capsys.readouterr().out
    assert typed("validate", files["r"], "--profile", files["bad"], "--offline") == 1
    assert "FAILED: " in capsys.readouterr().out


def test_offline_without_libseccomp_decides_by_our_own_reading(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise OSError("no such library")

    libseccomp._library.cache_clear()
    monkeypatch.setattr(libseccomp.ctypes, "CDLL", missing)
    try:
        for name, status in (("good", 0), ("bad", 1)):
            options = ("--profile", files[name], "--offline")
            assert typed("validate", files["r"], *options) == status
            assert "our own reading of the profile decides" in capsys.readouterr().err
    finally:
        libseccomp._library.cache_clear()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no profile is named"),
        (("--profile", "good", "--repair"), "say with -o where"),
        (("--profile", "good", "--repair", "--minimize", "-o", "x"), "exclude each other"),
        (("--profile", "good", "--offline", "--minimize"), "exclude each other"),
        (("--profile", "good", "--cross", "--minimize"), "exclude each other"),
        (("--profile", "good", "--offline", "-o", "x"), "--offline replays nothing"),
        (("--profile", "good", "-o", "x", "SECOND"), "one by one"),
    ],
)
def test_forms_that_contradict_each_other_are_refused_first(
    files: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: tuple[str, ...],
    said: str,
) -> None:
    names = {"good": files["good"], "SECOND": files["r"], "x": str(tmp_path / "x")}
    assert typed("validate", files["r"], *(names.get(one, one) for one in options)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


class Live:
    """Replays as it is told, and fails or is interrupted where it is told."""

    def __init__(self, made: Replay, ending: BaseException | None = None) -> None:
        self._made, self._ending, self.tried = made, ending, 0

    def warn_of_another_image(self, _case: object) -> None:
        """There is no engine that could say."""

    def replay(self, _case: object, _trial: object) -> Replay:
        return self._made

    def with_attempts(self, _case: object, _trial: object, replayed: Replay) -> Replay:
        self.tried += 1
        if self._ending is not None:
            raise self._ending
        return replayed


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Callable[[Live], None]:
    def use(one: Live) -> None:
        monkeypatch.setattr(validation, "harness", lambda *_, **__: nullcontext(one))

    return use


def replayed(*runs: Run, **changes: object) -> Replay:
    made = Replay("a" * 64, "b" * 64, (), builders.host(), Health(), runs, runs)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_no_attempts_leaves_them_out(files: dict[str, str], live: Callable[[Live], None]) -> None:
    for options, tried in (((), 1), (("--no-attempts",), 0)):
        one = Live(replayed(builders.run("work")))
        live(one)
        assert typed("validate", files["r"], "--profile", files["good"], *options) == 0
        assert one.tried == tried


def test_tolerant_lets_pass_what_nobody_noticed(
    files: dict[str, str], live: Callable[[Live], None]
) -> None:
    calm = builders.run("work")
    call = calm.syscalls[0].name
    refused = replace(calm, denials=(builders.denial(call, 1, "work"),))
    live(Live(replace(replayed(refused), controls=(calm,))))
    options = ("validate", files["r"], "--profile", files["good"], "--no-attempts")
    assert typed(*options) == 1
    assert typed(*options, "--tolerant") == 0


def test_attempts_that_cannot_be_made_do_not_lose_the_replay(
    files: dict[str, str],
    live: Callable[[Live], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failure = HostError("the program does not run", slug="attempts-failed", fix="see")
    live(Live(replayed(builders.run("work")), failure))
    out = tmp_path / "replay.json"
    assert typed("validate", files["r"], "--profile", files["good"], "-o", out) == 3
    shown = capsys.readouterr()
    assert "pass  work" in shown.out
    assert "not finished: " in shown.out
    assert "[attempts-failed]" in shown.err
    assert load_replay(out).runs


def test_an_interrupted_validation_has_not_passed(
    files: dict[str, str], live: Callable[[Live], None], capsys: pytest.CaptureFixture[str]
) -> None:
    live(Live(replayed(builders.run("work"), partial=True)))
    assert typed("validate", files["r"], "--profile", files["good"], "--no-attempts") == 130
    shown = capsys.readouterr().out
    assert "not finished: " in shown
    assert "passed: " not in shown
