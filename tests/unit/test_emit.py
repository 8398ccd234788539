"""What goes beside a profile."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from synth.baseline import available, load_baseline
from synth.document import check_document
from synth.emit.compose import compose_override
from synth.emit.deployment import Deployment, Workspace
from synth.emit.devcontainer import devcontainer_snippet
from synth.emit.kubernetes import operator_profile, pod
from synth.emit.provenance import SCHEMA, SCHEMA_VERSIONS, dump_provenance
from synth.emit.run import run_script
from synth.emit.yaml import dump_yaml
from synth.errors import UsageError
from synth.model import Finding, Target
from synth.oci import to_oci
from synth.profile import dump_profile, parse_profile, resolve
from synth.project.jsonc import parse_jsonc
from synth.wanted import Decision, Origin

RULE = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
PROFILE = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [RULE]})


def deployment(**changes: Any) -> Deployment:
    values: dict[str, Any] = {
        "service": "web",
        "image": "nginx:1",
        "user": "",
        "profile": PROFILE,
        "oci": PROFILE,
        "cap_add": ("CAP_CHOWN", "CAP_KILL"),
        "no_new_privileges": True,
        **changes,
    }
    return Deployment(**values)


def override(made: Deployment) -> Any:
    return YAML().load(compose_override(made))["services"][made.service]


def test_the_override_replaces_and_never_adds() -> None:
    text = compose_override(deployment())
    assert text.count("!override") == 4, "three lists, and the word in the comment"
    service = override(deployment())
    assert service["privileged"] is False
    assert list(service["cap_drop"]) == ["ALL"]
    assert list(service["cap_add"]) == ["CHOWN", "KILL"]
    name = f"web-{hashlib.sha256(PROFILE.encode()).hexdigest()[:12]}.json"
    assert list(service["security_opt"]) == [
        f"seccomp:${{SECCOMP_PROFILE_DIR:-.}}/seccomp/{name}",
        "no-new-privileges:true",
    ]


def test_another_profile_has_another_name() -> None:
    before, after = deployment(), deployment(profile=PROFILE.replace("read", "write"))
    assert before.hashed_name != after.hashed_name
    assert before.hashed_name == deployment(cap_add=()).hashed_name


def test_the_path_is_the_projects_and_no_variable() -> None:
    made = deployment(profile_folder="./build $x/out", kept_options=("apparmor=$y",))
    options = list(override(made)["security_opt"])
    assert options[0] == f"seccomp:./build $$x/out/{made.hashed_name}"
    assert options[2] == "apparmor=$$y", "what is not ours stays"


def test_no_capability_is_an_empty_list() -> None:
    text = compose_override(deployment(cap_add=(), no_new_privileges=False))
    assert "cap_add: !override []" in text
    assert "no-new-privileges" not in text


@pytest.mark.parametrize("service", ["a b", "a\nprivileged: true", "\x1b[31m", "no", "1", "a: b"])
def test_a_service_may_have_any_name(service: str) -> None:
    made = deployment(service=service)
    assert override(made)["privileged"] is False
    assert re.fullmatch(r"seccomp/[A-Za-z0-9._-]+\.json", made.hashed_name)


WORDS = ["no", "On", "y", "~", "null", ".5", ".inf", "1_000", "017", "0x1f", "12:30", "2001-01-01"]


@pytest.mark.parametrize(
    "word", [*WORDS, "=", "<<", "", "a: b", "# x", "é", "a\x85b", "\u2028", "a\nb"]
)
@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
def test_both_versions_of_yaml_read_the_same_text(word: str, version: tuple[int, int]) -> None:
    """Kubernetes reads 1.1, where a pod named ``no`` has no name."""
    reader = YAML(typ="safe", pure=True)
    reader.version = version
    assert reader.load(dump_yaml({word: [word], "key": word})) == {word: [word], "key": word}
    made = deployment(service=word, image=word)
    document = reader.load(pod(made, "x86_64"))
    assert re.fullmatch("[a-z0-9-]+", document["metadata"]["name"])
    assert document["spec"]["containers"][0]["image"] == word or not word
    assert compose_override(made).count("!override") == 4


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_the_script_is_one_that_a_shell_runs(engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    made = deployment(image="x\nrm -rf /", kept_options=("label=a b",))
    (folder / "run.sh").write_text(run_script(made, engine))
    fake = tmp_path / engine
    fake.write_text('#!/bin/sh\nfor one; do printf "%s\\n" "$one"; done\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["sh", str(folder / "run.sh"), "--rm", "image", "a  b"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        *("run", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "KILL"),
        *("--security-opt", "no-new-privileges", "--security-opt", "label=a b"),
        *("--security-opt", f"seccomp={folder}/seccomp.json", "--rm", "image", "a  b"),
    ]


def test_the_devcontainer_snippet_is_what_devcontainers_read() -> None:
    text = devcontainer_snippet(deployment(workspace=Workspace("./out")))
    document = parse_jsonc(text.encode(), where="x")
    assert document == {
        "privileged": False,
        "capAdd": ["CHOWN", "KILL"],
        "runArgs": ["--cap-drop=ALL"],
        "securityOpt": ["seccomp=${localWorkspaceFolder}/out/seccomp.json", "no-new-privileges"],
    }
    assert "there is no capDrop" in text


def test_the_operators_profile_has_what_its_schema_has() -> None:
    rules = [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
        },
    ]
    profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules,
    }
    text = operator_profile(deployment(service="My App", oci=json.dumps(profile)))
    document = YAML(typ="safe").load(text)
    assert document["apiVersion"] == "security-profiles-operator.x-k8s.io/v1beta1"
    assert document["kind"] == "SeccompProfile"
    assert document["metadata"] == {"name": "my-app"}
    # the operator refuses what it does not know, such as an errno for the default
    assert document["spec"].keys() == {"defaultAction", "architectures", "syscalls"}
    assert document["spec"]["syscalls"] == rules
    large = {**rules[2], "args": [{"index": 0, "value": 2**63, "op": "SCMP_CMP_EQ"}]}
    with pytest.raises(UsageError, match="cannot store"):
        operator_profile(deployment(oci=json.dumps({**profile, "syscalls": [large]})))


ACTIONS = ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG"]
OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]
FLAGS = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"]
ARCHES = ["X86_64", "X86", "X32", "AARCH64", "ARM"]
NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
ARGUMENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["index", "op"],
    "properties": {
        "index": {"type": "integer", "minimum": 0, "maximum": 5},
        "op": {"enum": [f"SCMP_CMP_{one}" for one in OPERATORS]},
        "value": NUMBER,
        "valueTwo": NUMBER,
    },
}
SYSCALL = {
    "type": "object",
    "additionalProperties": False,
    "required": ["names", "action"],
    "properties": {
        "names": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        "action": {"enum": [f"SCMP_ACT_{one}" for one in ACTIONS]},
        "errnoRet": {"type": "integer", "minimum": 0, "maximum": 4095},
        "args": {"type": "array", "maxItems": 6, "items": ARGUMENT},
    },
}
OPERATOR_SPEC = {
    "type": "object",
    "additionalProperties": False,
    "required": ["defaultAction", "syscalls"],
    "properties": {
        "defaultAction": {"enum": [f"SCMP_ACT_{one}" for one in ACTIONS]},
        "architectures": {
            "type": "array",
            "uniqueItems": True,
            "items": {"enum": [f"SCMP_ARCH_{one}" for one in ARCHES]},
        },
        "flags": {
            "type": "array",
            "uniqueItems": True,
            "items": {"enum": [f"SECCOMP_FILTER_FLAG_{one}" for one in FLAGS]},
        },
        "syscalls": {"type": "array", "items": SYSCALL},
    },
}
"""What the Security Profiles Operator takes: api/seccompprofile/v1, which is the stricter one."""


@pytest.mark.parametrize("name", available())
def test_the_operators_rules_are_kept(name: str) -> None:
    baseline = load_baseline(name).profile
    for capabilities in (frozenset[str](), frozenset({"CAP_SYS_ADMIN"})):
        target = Target("x86_64", capabilities, (6, 1))
        oci = dump_profile(to_oci(baseline, target), "oci")
        document = YAML(typ="safe", pure=True).load(operator_profile(deployment(oci=oci)))
        jsonschema.validate(document["spec"], OPERATOR_SPEC)


def test_the_pod_names_the_resolved_profile() -> None:
    made = deployment(user="1000:1001", oci=PROFILE + " ")
    context = YAML(typ="safe").load(pod(made, "x86_64"))["spec"]["containers"][0]["securityContext"]
    name = context["seccompProfile"]["localhostProfile"]
    assert name == f"profiles/{made.oci_name}"
    assert made.oci_name != made.hashed_name
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN", "KILL"]}
    assert (context["runAsUser"], context["runAsGroup"]) == (1000, 1001)
    assert context["allowPrivilegeEscalation"] is False


def test_the_oci_form_has_no_gates() -> None:
    """What nodes would ignore is decided: a rule for CAP_SYS_ADMIN must not hold for everybody."""
    baseline = load_baseline("docker-25.0").profile
    plain = Target("x86_64", frozenset(), (6, 1))
    text = dump_profile(to_oci(baseline, plain))
    document = json.loads(text)
    assert not {"archMap", "includes", "excludes", "comment"} & set(re.findall(r'"(\w+)":', text))
    assert document["architectures"][0] == "SCMP_ARCH_X86_64"
    allowed = {
        name
        for rule in document["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }
    assert "read" in allowed
    assert "mount" not in allowed
    resolved = resolve(baseline, plain)
    again = resolve(parse_profile(document, where="x"), plain)
    assert again.names() == resolved.names()
    admin = Target("x86_64", frozenset({"CAP_SYS_ADMIN"}), (6, 1))
    assert "mount" in dump_profile(to_oci(baseline, admin))


def test_provenance_fits_its_schema() -> None:
    text = dump_provenance(
        baseline="docker-20.10",
        tightness="portable",
        recordings={"b" * 64, "a" * 64},
        profile_sha256="c" * 64,
        decisions=[
            Decision(f"{origin}"[:4], origin, "because", ("git",), ("git",)) for origin in Origin
        ],
        findings=[Finding("SS305", "note", "architectures", "text")],
    )
    document = json.loads(text)
    check_document(document, schema=SCHEMA, versions=SCHEMA_VERSIONS, where="x")
    assert document["recordings"] == ["a" * 64, "b" * 64]
