"""Words that are nearly right: each is answered with one line that names the right one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.command import typed

SAMPLE = Path(__file__).parents[1] / "data" / "recording-1.0.0.json"

PROJECT = """
container = {compose = "compose.yaml", service = "web"}
[[workload]]
name = "tests"
run = ["true"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE, "a.json")
    (tmp_path / "seccomp-synth.toml").write_text(PROJECT)
    (tmp_path / "compose.yaml").write_text("services: {web: {image: x}, db: {image: x}}")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("recrod debian", "'record'"),
        ("baseline shwo", "'show'"),
        ("baseline show dokcer-25.0", "'docker-25.0'"),
        ("synth a.json -o out --baseline docker-25", "'docker-25.0'"),
        ("synth a.json -o out --tightnes exact", "'--tightness'"),
        ("synth a.json -o out --tightness Exatc", "'exact'"),
        ("synth a.json -o out --emit compsoe", "'compose'"),
        ("synth a.json -o out --allow-capability SYS_ADMN", "CAP_SYS_ADMIN"),
        ("record --only testz", "'tests'"),
        ("record --compose compose.yaml --service wbe -- true", "'web'"),
        ("record debian --engine podmna -- true", "'podman'"),
        ("record debian --cap-add cap_net_rwa -- true", "CAP_NET_RAW"),
        ("validate a.json --profile p.json --engine dokcer", "'docker'"),
        ("diff a.json --fail-on widend", "'widened'"),
        ("diff a.json --arch x86-64", "'x86_64'"),
        ("explain opneat", "'openat'"),
        ("explain read --against podman4.3", "'podman-4.3'"),
        ("explain CAP_CHOWN", "that is a capability"),
        ("explain ss301", "that is a finding"),
        ("lint a.json --target docekr-28", "'docker-28'"),
        ("report a.json --profile p.json --output markdwn", "'markdown'"),
        ("completion bsh", "'bash'"),
        ("--color alway doctor", "'always'"),
        ("baseline list --output tabel", "'table'"),
    ],
)
def test_the_right_word_is_named(line: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*line.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    complaint, slash, rest = err.partition("did you mean")
    shown = rest if slash else complaint.partition("Did you mean")[2] or complaint
    assert meant in shown
