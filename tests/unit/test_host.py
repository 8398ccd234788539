"""Hosts that cannot record say so, and what to do."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from synth.cli.main import main
from synth.errors import HostError
from synth.model import Container
from tracer import architecture, loader, probes
from tracer.btf import Btf
from tracer.docker_engine import DockerEngine, engine_url
from tracer.engine import EngineInfo
from tracer.record import require_default_filter

LOCKDOWN_MODES = ("none", "integrity", "confidentiality")


def test_not_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as stop:
        main(["record", "debian", "--", "true"])
    assert stop.value.code == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "needs root" in err
    assert "sudo" in err


def test_no_btf(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no type information") as refusal:
        Btf(tmp_path / "vmlinux")
    assert "CONFIG_DEBUG_INFO_BTF" in refusal.value.fix


def test_another_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architecture.platform, "machine", lambda: "riscv64")
    with pytest.raises(HostError, match="riscv64 is not supported"):
        loader.Probes()


@pytest.mark.parametrize(
    ("seccomp", "complaint"),
    [
        ("", "without seccomp"),
        ("name=seccomp,profile=/etc/docker/own.json", "default seccomp profile of its own"),
    ],
)
def test_engines_whose_filter_is_not_the_default(seccomp: str, complaint: str) -> None:
    info = EngineInfo("docker", "20.10", "runc", "1.1.5", seccomp, False)
    with pytest.raises(HostError, match=complaint):
        require_default_filter(info)


@pytest.mark.parametrize(
    "seccomp", ["name=seccomp,profile=default", "name=seccomp,profile=builtin"]
)
def test_the_default_filter(seccomp: str) -> None:
    require_default_filter(EngineInfo("docker", "25.0", "runc", "1.1.12", seccomp, False))


@pytest.mark.parametrize("mode", ["none", "integrity", "confidentiality"])
def test_a_locked_down_kernel_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    modes = " ".join(f"[{one}]" if one == mode else one for one in LOCKDOWN_MODES)
    (tmp_path / "lockdown").write_text(f"{modes}\n")
    monkeypatch.setattr(probes, "LOCKDOWN", tmp_path / "lockdown")
    error = loader._refused("the programs cannot be loaded")
    assert ("locked down" in error.what) == (mode == "confidentiality")
    assert error.slug == "bpf-load"


@pytest.fixture
def docker_socket(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A socket that answers as a Docker engine does; what it says can be changed."""
    says: dict[str, Any] = {
        "url": f"unix://{tmp_path}/s",
        "version": {"ApiVersion": "1.41", "Version": "20.10.24", "KernelVersion": os.uname()[2]},
        "create?name=box": {"Id": "0123", "Warnings": []},
        "info": {"SecurityOptions": ["name=seccomp,profile=default"], "DefaultRuntime": "runc"},
    }

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(says[self.path.rpartition("/")[2]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            says["asked"] = json.loads(self.rfile.read(length))
            self.do_GET()

        def address_string(self) -> str:
            return "test"

        def log_message(self, *_: object) -> None:
            pass

    server = UnixStreamServer(f"{tmp_path}/s", Answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield says
    server.shutdown()
    server.server_close()


def test_an_engine_of_this_kernel(docker_socket: dict[str, Any]) -> None:
    info = DockerEngine(docker_socket["url"]).info()
    assert (info.name, info.version, info.runtime) == ("docker", "20.10.24", "runc")


@pytest.mark.parametrize(("runtime", "asked"), [("", None), ("crun", "crun")])
def test_the_runtime_is_asked_for(
    docker_socket: dict[str, Any], runtime: str, asked: str | None
) -> None:
    engine = DockerEngine(docker_socket["url"], runtime)
    box = Container("image", no_new_privileges=True)
    assert engine.create(box, name="box", command=("ls",), labels={}, profile="{}") == "0123"
    host = docker_socket["asked"]["HostConfig"]
    assert host.get("Runtime") == asked
    assert host["SecurityOpt"] == ["no-new-privileges", "seccomp={}"]
    assert engine.info().runtime == (asked or "runc")


def test_a_rootless_engine_is_refused(docker_socket: dict[str, Any]) -> None:
    docker_socket["info"]["SecurityOptions"].append("name=rootless")
    with pytest.raises(HostError, match="the engine is rootless") as refusal:
        DockerEngine(docker_socket["url"]).info()
    assert refusal.value.slug == "rootless-engine"


def test_an_engine_in_a_virtual_machine_is_refused(docker_socket: dict[str, Any]) -> None:
    docker_socket["version"]["KernelVersion"] = "5.15.0-linuxkit"
    with pytest.raises(HostError, match=r"another kernel \(5\.15\.0-linuxkit") as refusal:
        DockerEngine(docker_socket["url"]).info()
    assert refusal.value.slug == "remote-engine"


def test_docker_host_goes_first() -> None:
    assert engine_url({"DOCKER_HOST": "unix:///x"}) == "unix:///x"
    assert engine_url({}).startswith(("unix:", "tcp:", "ssh:"))


def test_hidden_kernel_addresses_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without addresses a check without audit looks real: capabilities are not recorded then."""
    hidden = tmp_path / "kallsyms"
    hidden.write_text("".join(f"0000000000000000 T {name}\n" for name in probes.UNAUDITED))
    monkeypatch.setattr(probes, "KALLSYMS", hidden)
    assert probes.unaudited_ranges() == [(0, 0)] * 3
    note = loader._capability_note([], probes.unaudited_ranges())
    assert note.startswith("not recorded")


def test_ranges_end_at_the_next_symbol(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    symbols = tmp_path / "kallsyms"
    symbols.write_text(
        "ffffffff81000000 T _text\nffffffff81000100 T ns_capable_noaudit\n"
        "ffffffff81000180 t next\nffffffff81000110 D data\n"
    )
    monkeypatch.setattr(probes, "KALLSYMS", symbols)
    by_name = dict(zip(probes.UNAUDITED, probes.unaudited_ranges(), strict=True))
    assert by_name["ns_capable_noaudit"] == (0xFFFFFFFF81000100, 0xFFFFFFFF81000180)


@pytest.mark.parametrize(
    ("table", "expected"),
    [("#name hierarchy\npids 8 1 1\n", True), ("pids 0 1 1\n", False), ("", False)],
)
def test_which_hierarchy_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, expected: bool
) -> None:
    (tmp_path / "cgroups").write_text(table)
    monkeypatch.setattr(probes, "CGROUPS", tmp_path / "cgroups")
    assert probes.uses_v1_pids() is expected
