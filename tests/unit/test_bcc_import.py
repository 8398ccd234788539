"""Finding the real bcc, and telling it from PyPI's namesake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from synth.errors import HostError
from tracer import bcc_import


@pytest.fixture
def no_bcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide every installed bcc; return an empty folder that is searched instead."""
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    monkeypatch.setattr(bcc_import, "DISTRIBUTION_PATHS", (tmp_path / "dist",))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    return tmp_path


def test_missing(no_bcc: Path) -> None:
    with pytest.raises(HostError, match="is not installed; run: apt-get install python3-bpfcc"):
        bcc_import.load_bcc()


def test_the_namesake_is_recognised(no_bcc: Path) -> None:
    package = no_bcc / "site" / "bcc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("LATTICE = 'N-dim invertible BCC lattice'\n")
    with pytest.raises(HostError, match="PyPI's, an unrelated lattice library"):
        bcc_import.load_bcc()


def test_a_broken_one_is_not_kept(no_bcc: Path) -> None:
    package = no_bcc / "dist" / "bcc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libbcc.so.0 is missing')\n")
    with pytest.raises(HostError, match=r"libbcc\.so\.0 is missing"):
        bcc_import.load_bcc()
    assert "bcc" not in sys.modules


def test_the_stub_tree_names_the_running_kernel() -> None:
    assert bcc_import._kernel_version("6.1.0-13-amd64") == (6 << 16) + (1 << 8)
    assert bcc_import._kernel_version("6.18.44-fc-v782") == (6 << 16) + (18 << 8) + 44
    assert bcc_import._kernel_version("5.15.300") == (5 << 16) + (15 << 8) + 255
    with bcc_import.stub_kernel_tree() as folder:
        assert (Path(folder) / "include/linux/version.h").is_file()
    assert not Path(folder).exists()
