"""The shape of action.yml and of the pre-commit hooks, which only their own runners could try."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from synth.cli.reporting import FAIL_ON

ROOT = Path(__file__).parents[2]


def load(name: str) -> Any:
    return YAML(typ="safe").load((ROOT / name).read_text())


def test_the_action_has_what_github_asks_for() -> None:
    action = load("action.yml")
    assert set(action) <= {"name", "description", "author", "branding", "inputs", "outputs", "runs"}
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert set(step) <= {"name", "id", "shell", "env", "run"}
        assert step["shell"] == "bash"
    for name, value in action["inputs"].items():
        assert value["description"]
        assert ("default" in value) != value.get("required", False), name


def test_no_input_is_pasted_into_a_command() -> None:
    for step in load("action.yml")["runs"]["steps"]:
        assert "${{" not in step["run"]


def test_every_input_reaches_the_script() -> None:
    action = load("action.yml")
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"\$\{\{ inputs\.([a-z-]+) \}\}", text))
    assert used == set(action["inputs"])
    script = (ROOT / "scripts" / "action").read_text()
    variables = {name for step in action["runs"]["steps"] for name in step.get("env", {})}
    assert variables == set(re.findall(r"\$\{(SECCOMP_SYNTH_(?!VENV)[A-Z_]+)", script))


def test_every_output_is_written_by_the_step_it_names() -> None:
    action = load("action.yml")
    steps = {step["id"] for step in action["runs"]["steps"] if "id" in step}
    script = (ROOT / "scripts" / "action").read_text()
    for name, value in action["outputs"].items():
        found = re.fullmatch(r"\$\{\{ steps\.([a-z]+)\.outputs\.([a-z]+) \}\}", value["value"])
        assert found is not None
        assert found[1] in steps
        assert found[2] == name
        assert f'"{name}=' in script
    described = action["inputs"]["fail-on"]["description"]
    assert all(one in described for one in FAIL_ON)


def run_hook(name: str, *words: str) -> int:
    """Run the hook as pre-commit does, with the command line where it would be installed."""
    (hook,) = (one for one in load(".pre-commit-hooks.yaml") if one["id"] == name)
    assert {"id", "name", "entry", "language", "files"} <= set(hook)
    files = [one for one in words if not one.startswith("--")]
    assert all(re.search(hook["files"], one) for one in files)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [*shlex.split(hook["entry"]), *words]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, check=False
    )
    return done.returncode


PORTABLE, EXACT = "tests/golden/portable/seccomp.json", "tests/golden/exact/seccomp.json"


def test_the_diff_hook_checks_every_profile(tmp_path: Path) -> None:
    assert run_hook("seccomp-synth-diff", PORTABLE, EXACT) == 0
    bad = tmp_path / "a b" / "seccomp.json"
    bad.parent.mkdir()
    bad.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    assert run_hook("seccomp-synth-diff", str(bad), PORTABLE) == 1
    bad.write_text("{}")
    assert run_hook("seccomp-synth-diff", PORTABLE, str(bad)) == 4


def test_the_lint_hook_fails_for_errors_on_the_engines_it_is_given(tmp_path: Path) -> None:
    assert run_hook("seccomp-synth-lint", PORTABLE) == 0
    assert run_hook("seccomp-synth-lint", EXACT, PORTABLE) == 1, "made on another runtime"
    assert run_hook("seccomp-synth-lint", "--target=docker-20.10", EXACT, PORTABLE) == 0
    bad = tmp_path / "a b" / "seccomp.json"
    bad.parent.mkdir()
    document = json.loads((ROOT / PORTABLE).read_text())
    document["syscalls"].append({"names": ["reed"], "action": "SCMP_ACT_ALLOW"})
    bad.write_text(json.dumps(document))
    assert run_hook("seccomp-synth-lint", str(bad), PORTABLE) == 1
