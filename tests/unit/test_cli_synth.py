"""``synth`` and ``diff`` as typed: files, exit statuses, messages."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from synth.model import CapabilityUse, Health, Recording
from synth.project.jsonc import parse_jsonc
from synth.recording import dump_recording
from tests import builders
from tests.command import typed

FILES = {"seccomp.json", "capabilities.json", "compose.override.yaml", "provenance.json"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path: Path, recording: Recording) -> Path:
    path.write_text(dump_recording(recording))
    return path


def test_removed_calls_are_counted_as_diff_counts_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder / "a.json", builders.recording())
    assert typed("synth", "a.json", "-o", "out/") == 0
    said = re.search(r"(\d+) removed, (\d+) narrowed", capsys.readouterr().err)
    assert said is not None
    assert typed("diff", "out/seccomp.json", "--format", "json") == 0
    counted_all = json.loads(capsys.readouterr().out)
    counted = counted_all["summary"]
    assert "chroot" in json.dumps(counted_all["findings"]), "the default needs a capability for it"
    assert [int(one) for one in said.groups()] == [counted["removed"], counted["narrowed"]]


def test_all_four_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder / "a.json", builders.recording())
    assert typed("synth", "a.json", "-o", "out/") == 0
    assert {path.name for path in (folder / "out").iterdir()} == FILES | {"seccomp"}
    (hashed,) = (folder / "out/seccomp").iterdir()
    assert hashed.read_text() == (folder / "out/seccomp.json").read_text()
    out, err = capsys.readouterr()
    assert out == ""
    assert "next: seccomp-synth validate a.json --profile out/seccomp.json" in err
    assert typed("diff", "out/seccomp.json") == 0
    assert re.search(r"^widened +0$", capsys.readouterr().out, re.MULTILINE)


def test_any_order_and_folder_gives_the_same_bytes(folder: Path) -> None:
    save(folder / "a.json", builders.recording(builders.run("git", calls=["mkdir"])))
    save(folder / "b.json", builders.recording(builders.run("tests", calls=["rmdir", "read"])))
    assert typed("synth", "a.json", "b.json", "-o", "one") == 0
    assert typed("synth", "b.json", "a.json", "a.json", "-o", folder / "deep" / "two") == 0
    for name in FILES:
        assert (folder / "one" / name).read_bytes() == (folder / "deep/two" / name).read_bytes()


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder / "a.json", builders.recording())
    (folder / "out").mkdir()
    (folder / "out" / "provenance.json").write_text("mine")
    assert typed("synth", "a.json", "-o", "out") == 2
    assert {path.name for path in (folder / "out").iterdir()} == {"provenance.json"}
    assert "exists already" in capsys.readouterr().err
    assert typed("synth", "a.json", "-o", "out", "--force") == 0


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    save(folder / "a.json", builders.recording())
    (folder / "out").write_text("")
    assert typed("synth", "a.json", "-o", "out") == 2


@pytest.mark.parametrize(
    ("recording", "status", "complaint"),
    [
        (replace(builders.recording(), runs=()), 4, "empty recording"),
        (replace(builders.recording(), partial=True), 4, "partial"),
        (replace(builders.recording(), health=Health(problems=("lost",))), 4, "not healthy"),
        (builders.recording(builders.run(outcome="failed")), 4, "did not succeed"),
        (
            builders.recording(
                builders.run(capabilities=[CapabilityUse("CAP_SYS_ADMIN", "mount", "m", 1)]),
                subject=builders.subject(capabilities=("CAP_SYS_ADMIN",)),
            ),
            2,
            "--allow-capability CAP_SYS_ADMIN",
        ),
    ],
)
def test_recordings_that_are_refused(
    folder: Path,
    recording: Recording,
    status: int,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(folder / "a.json", recording)
    assert typed("synth", "a.json", "-o", "out") == status
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (("synth", "none.json", "-o", "out"), 2, "no such file"),
        (("synth", "a.json", "-o", "out", "--baseline", "docker-1"), 2, "docker-20.10"),
        (("synth", "a.json", "-o", "out", "--service", "a b"), 2, "not a service name"),
        (("synth", "a.json", "-o", "out", "--allow-capability", "foo"), 2, "unknown capability"),
        (("synth", "a.json", "-o", "out", "--tightness", "loose"), 2, "portable"),
        (("synth", "a.json"), 2, "-o"),
        (("synth",), 2, "RECORDINGS"),
    ],
)
def test_wrong_usage(
    folder: Path,
    arguments: tuple[str, ...],
    status: int,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(folder / "a.json", builders.recording())
    assert typed(*arguments) == status
    err = capsys.readouterr().err
    assert complaint in err
    assert err.count("\n") == 1


def test_unhealthy_on_demand_is_said_on_the_terminal_and_in_the_provenance(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder / "a.json", replace(builders.recording(), partial=True))
    assert typed("-q", "synth", "a.json", "-o", "out", "--allow-unhealthy") == 0
    assert "the recording was interrupted and is partial" in capsys.readouterr().err
    findings = json.loads((folder / "out/provenance.json").read_text())["findings"]
    assert "the recording was interrupted and is partial" in [one["message"] for one in findings]


def test_the_next_command_can_be_pasted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a b.json", "c.json"):
        save(folder / name, builders.recording())
    assert typed("synth", "a b.json", "c.json", "-o", "out") == 0
    following = capsys.readouterr().err.splitlines()[-1]
    assert following == (
        "next: seccomp-synth validate 'a b.json' c.json --profile out/seccomp.json"
    )


def test_verbose_says_how_far_the_evidence_stands(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder / "a.json", builders.recording())
    assert typed("synth", "a.json", "-o", "out", "-v") == 0
    assert "evidence: 1 workloads" in capsys.readouterr().err


def test_a_wider_profile_is_a_no(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder / "a.json", builders.recording())
    assert typed("synth", "a.json", "-o", "out") == 0
    profile = json.loads((folder / "out/seccomp.json").read_text())
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name != "bpf"]
    profile["syscalls"].append({"names": ["bpf"], "action": "SCMP_ACT_ALLOW"})
    (folder / "wide.json").write_text(json.dumps(profile))
    assert typed("diff", "wide.json") == 1
    assert "bpf" in capsys.readouterr().out
    assert typed("diff", "wide.json", "--against", "out/seccomp.json") == 1
    assert typed("diff", "out/seccomp.json", "--against", "wide.json") == 0


EVERY = "compose,devcontainer,docker,podman,kubernetes"


def test_each_file_that_stands_in_the_way_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a link, which is not followed, and as a folder, which nothing can be put in place of."""
    save(folder / "a.json", builders.recording())
    words = ("synth", "a.json", "--oci", "--emit", EVERY, "-o", "out")
    assert typed(*words) == 0
    out = folder / "out"

    def files() -> dict[Path, str]:
        return {path: path.read_text() for path in out.rglob("*") if path.is_file()}

    expected = files()
    assert len(expected) == 12
    (folder / "mine").write_text("mine")
    for path in expected:
        shutil.rmtree(out)
        path.parent.mkdir(parents=True)
        path.symlink_to(folder / "mine")
        capsys.readouterr()
        assert typed(*words) == 2
        err = capsys.readouterr().err
        assert f"{path.relative_to(folder)}: exists already" in err
        assert "--force" in err
        assert err.count("\n") == 1
        assert files() == {path: "mine"}
        assert typed(*words, "--force") == 0
        assert files() == expected
        assert not path.is_symlink()
        path.unlink()
        path.mkdir()
        capsys.readouterr()
        assert typed(*words, "--force") == 2
        err = capsys.readouterr().err
        assert f"{path.relative_to(folder)}: cannot be written" in err
        assert err.count("\n") == 1
        assert files().keys() == expected.keys() - {path}, "nothing half written lies about"
    assert (folder / "mine").read_text() == "mine"


PLACES = [
    # devcontainer.json, the compose file, what the snippet says
    (".devcontainer/devcontainer.json", "", "${localWorkspaceFolder}/out dir/seccomp.json"),
    (".devcontainer.json", "", "${localWorkspaceFolder}/out dir/seccomp.json"),
    (".devcontainer/a/devcontainer.json", "", "${localWorkspaceFolder}/out dir/seccomp.json"),
    (".devcontainer/devcontainer.json", ".devcontainer/c.yml", "c.yml ../out dir/{override}"),
    (".devcontainer/devcontainer.json", "compose.yaml", "../compose.yaml ../out dir/{override}"),
    (".devcontainer.json", "compose.yaml", "compose.yaml out dir/{override}"),
    (".devcontainer/a/devcontainer.json", "c.yml", "../../c.yml ../../out dir/{override}"),
]


@pytest.mark.parametrize(("place", "compose", "said"), PLACES)
def test_the_snippet_fits_where_the_devcontainer_is(
    folder: Path, place: str, compose: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, object] = {"image": "debian"}
    if compose:
        (folder / compose).write_text('{"name": "x", "services": {"dev": {"image": "debian"}}}')
        named = os.path.relpath(folder / compose, path.parent)
        document = {"dockerComposeFile": [named], "service": "dev"}
    path.write_text(json.dumps(document))
    (folder / "seccomp-synth.toml").write_text(
        f'container = {{devcontainer = "{place}"}}\n[[workload]]\nname = "x"\nrun = ["true"]\n'
    )
    save(folder / "a.json", builders.recording())
    assert typed("synth", "a.json", "-o", "out dir", "--emit", "devcontainer") == 0
    snippet = parse_jsonc((folder / "out dir/devcontainer.snippet.jsonc").read_bytes(), where="x")
    assert isinstance(snippet, dict)
    if not compose:
        assert snippet["securityOpt"][0] == f"seccomp={said}"
        return
    said = said.format(override="compose.override.yaml")
    assert snippet.keys() == {"dockerComposeFile"}, "others would go before the override"
    assert " ".join(snippet["dockerComposeFile"]) == said
    assert all((path.parent / one).is_file() for one in snippet["dockerComposeFile"])
    line = f"docker compose -f {compose} -f 'out dir/compose.override.yaml' up -d\n"
    assert line in capsys.readouterr().err, "the line is for the folder that we are in"


def hashed(folder: Path) -> set[str]:
    return {path.name for path in (folder / "out/seccomp").iterdir()}


def remade(folder: Path, *calls: str, emit: str = "compose") -> int:
    save(folder / "a.json", builders.recording(builders.run(calls=[*builders.START, *calls])))
    return typed("synth", "a.json", "-o", "out", "--force", "--emit", emit)


def test_a_profile_of_an_earlier_run_goes_when_nothing_names_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert remade(folder) == 0
    (old,) = hashed(folder)
    assert "removed from" not in capsys.readouterr().err
    assert remade(folder, "mkdir") == 0
    (new,) = hashed(folder)
    assert new != old
    assert f"removed from out, since nothing names them now: seccomp/{old}\n" in (
        capsys.readouterr().err
    )
    assert remade(folder, "mkdir") == 0
    assert hashed(folder) == {new}


def test_nothing_that_is_not_ours_goes(folder: Path) -> None:
    assert remade(folder) == 0
    seccomp = folder / "out/seccomp"
    (old,) = hashed(folder)
    text = (seccomp / old).read_text()
    digest = old.removesuffix(".json").rsplit("-")[-1]
    (folder / old).write_text(text)
    kept = {
        f"db-{digest}.json": text,  # another service's
        "app-0123456789ab.json": text,  # not what its name says
        "app.json": text,
        f"app-{digest}.json.orig": text,
        "README": "mine",
    }
    for name, content in kept.items():
        (seccomp / name).write_text(content)
    (seccomp / old).write_text(text + " ")  # changed by hand
    (seccomp / "sub").mkdir()
    assert remade(folder, "mkdir") == 0
    assert hashed(folder) > {*kept, old, "sub"}
    (seccomp / old).unlink()
    (seccomp / old).symlink_to(folder / old)
    assert remade(folder, "rmdir") == 0
    assert (seccomp / old).is_symlink()


def test_a_profile_that_something_names_stays(folder: Path) -> None:
    assert remade(folder, emit="compose,kubernetes") == 0
    both = hashed(folder)
    pod = (folder / "out/kubernetes-pod.yaml").read_text()
    (named,) = (one for one in both if one in pod)
    assert remade(folder, "mkdir") == 0
    assert hashed(folder) & both == {named}, "the pod was not written again"
    shutil.copy(folder / "out/compose.override.yaml", folder / "out/mine.yaml")
    before = hashed(folder)
    assert remade(folder, "rmdir") == 0
    assert hashed(folder) > before


def test_a_profile_that_the_project_names_stays(folder: Path) -> None:
    (folder / "compose.yaml").write_text("services: {app: {image: debian}}")
    (folder / "seccomp-synth.toml").write_text(
        'container = {compose = "compose.yaml"}\n[[workload]]\nname = "x"\nrun = ["true"]\n'
    )
    assert remade(folder) == 0
    (old,) = hashed(folder)
    service = {"image": "debian", "security_opt": [f"seccomp:out/seccomp/{old}"]}
    (folder / "compose.yaml").write_text(json.dumps({"services": {"app": service}}))
    assert remade(folder, "mkdir") == 0
    assert old in hashed(folder)


def test_what_cannot_be_searched_for_names_lets_everything_stay(folder: Path) -> None:
    assert remade(folder) == 0
    (old,) = hashed(folder)
    with (folder / "out/large.yaml").open("w") as stream:
        stream.truncate(8 * 1024 * 1024)
    assert remade(folder, "mkdir") == 0
    assert old in hashed(folder)
    (folder / "out/large.yaml").unlink()
    for number in range(1001):
        (folder / f"out/{number}").touch()
    assert remade(folder, "mkdir") == 0
    assert old in hashed(folder)
