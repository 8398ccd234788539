"""Tests against the real thing are skipped with a reason, and never with --no-skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_pytest(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("options", "status"), [((), 0), (("--no-skip",), 1)])
def test_without_an_engine(options: tuple[str, ...], status: int) -> None:
    test = "tests/engine/test_record.py::test_no_such_image"
    done = run_pytest(*options, test, DOCKER_HOST="unix:///no/such.sock")
    assert done.returncode == status, done.stdout
    assert ("which --no-skip forbids" if status else "1 skipped") in done.stdout
    assert "no/such.sock" in done.stdout or os.geteuid() != 0


@pytest.mark.parametrize(("options", "status"), [((), 5), (("--no-skip",), 2)])
def test_a_module_that_skips_itself(options: tuple[str, ...], status: int, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    done = run_pytest("-p", "tests.conftest", "--rootdir", tmp_path, *options, tmp_path)
    assert done.returncode == status, done.stdout
