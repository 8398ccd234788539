"""Compose files: what is read, merged and taken over, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UsageError
from synth.project.compose import find_compose, merge_compose, read_compose, service_of
from synth.project.described import Described
from synth.project.interpolate import Interpolator, parse_env_file
from synth.project.service import describe_service

FULL = """
name: shop
x-base: &base {restart: always}
services:
  web:
    <<: *base
    image: ${IMAGE:-registry.example/web:1}
    user: "1000:1000"
    entrypoint: ["/entry.sh"]
    command: serve --port '80 80'
    working_dir: /srv
    environment: ["A=1", "FROM_ENV", "UNSET_ONE"]
    env_file: web.env
    volumes:
      - ./src:/srv:ro
      - data:/var/lib/data
      - /anonymous
      - {type: bind, source: ../other, target: /other, read_only: true}
      - {type: tmpfs, target: /scratch}
    tmpfs: /run
    cap_add: [net_admin]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true", "label=disable", "seccomp:./old.json"]
    init: true
    read_only: true
    group_add: [44]
    devices: [/dev/kvm]
    networks: [back, front]
    healthcheck: {test: curl -f localhost}
  db:
    build: ./db
networks:
  back: {name: shared, external: true}
  front: {}
"""


def write(folder: Path, text: str, name: str = "compose.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def described(path: Path, name: str | None, environment: dict[str, str] | None = None) -> Described:
    files = read_compose(path)
    document, _ = merge_compose(files, environment or {})
    return describe_service(document, *service_of(document, name, str(path)), files.files[0])


def test_a_full_service(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("A=0\nexport B='b c'  # why\n")
    (tmp_path / ".env").write_text("IMAGE=from-dotenv:2\n")
    found = described(write(tmp_path, FULL), "web", {"FROM_ENV": "here"})
    box = found.container
    assert box.image == "from-dotenv:2"
    assert (box.user, box.workdir, box.entrypoint) == ("1000:1000", "/srv", ("/entry.sh",))
    assert box.command == ("serve", "--port", "80 80")
    assert dict(box.environment) == {"A": "1", "B": "b c", "FROM_ENV": "here"}
    assert set(box.mounts) == {
        ("", "/anonymous", "rw"),
        ("", "/var/lib/data", "rw"),
        (str(tmp_path / "src"), "/srv", "ro"),
        (str(tmp_path.parent / "other"), "/other", "ro"),
    }
    assert box.tmpfs == ("/run", "/scratch")
    assert (box.cap_add, box.cap_drop) == (("CAP_NET_ADMIN",), ("ALL",))
    assert (box.no_new_privileges, box.init, box.read_only) == (True, True, True)
    assert box.groups == ("44",)
    assert found.networks == ("shared", "shop_front")
    assert found.check == ("sh", "-c", "curl -f localhost")
    assert not found.unconfined
    assert set(found.left_out) == {"devices", "security option label"}
    said = "\n".join(found.warnings)
    assert "./old.json is not used" in said
    assert "data are replaced by empty ones" in said
    assert "from outside the project" in said


def test_what_is_built_has_composes_names_and_a_command(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("")
    found = described(write(tmp_path, FULL), "db")
    assert found.candidates == ("shop-db", "shop_db")
    assert found.build.endswith("compose.yaml build db")


def test_an_override_file_is_merged_as_compose_does(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "services:\n  a:\n    image: x\n    command: [one]\n    cap_add: [CHOWN, KILL]\n"
        "    environment: {A: '1', B: '1'}\n    volumes: ['./a:/data', './b:/b']\n"
        "    privileged: true\n    tty: true\n",
    )
    write(
        tmp_path,
        "services:\n  a:\n    command: two\n    cap_add: [FOWNER]\n    environment: [B=2]\n"
        "    volumes: ['./c:/data']\n    privileged: !reset\n    tty: !override false\n",
        "compose.override.yml",
    )
    box = described(path, None).container
    assert box.command == ("two",)
    assert box.cap_add == ("CAP_CHOWN", "CAP_FOWNER", "CAP_KILL")
    assert dict(box.environment) == {"A": "1", "B": "2"}
    assert {(Path(one).name, where) for one, where, _ in box.mounts} == {
        ("c", "/data"),
        ("b", "/b"),
    }
    assert not box.tty


def test_unconfined_is_said(tmp_path: Path) -> None:
    text = "services: {a: {image: x, security_opt: ['seccomp=unconfined']}}"
    found = described(write(tmp_path, text), None)
    assert found.unconfined
    assert "everything is allowed" in found.warnings[0]


def test_the_engines_socket_is_said(tmp_path: Path) -> None:
    text = "services: {a: {image: x, volumes: ['/var/run/docker.sock:/s']}}"
    assert "has the host" in described(write(tmp_path, text), None).warnings[0]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("services: {a: {image: x, privileged: true}}", "privileged-service"),
        ("services: {a: {image: x, privileged: 'true'}}", "privileged-service"),
        ("services: {a: {image: '--privileged'}}", "bad-image-name"),
        ("services: {a: {image: x}, b: {image: y}}", "no-such-service"),
        ("services: null", "bad-compose"),
        ("services: [a]", "bad-compose"),
        ("services: {a: null}", "bad-compose"),
        ("services: {a: {}}", "bad-compose"),
        ("[]", "bad-compose"),
        ("services: {a: {image: x, volumes: ['a:b']}}", "bad-compose"),
        ("services: {a: {image: x, volumes: [{type: npipe, target: /a}]}}", "bad-compose"),
        ('services: {a: {image: x, command: "\'"}}', "bad-compose"),
        ("services: {a: {image: '${X:?is missing}'}}", "bad-compose"),
        ("services: {a: {image: '${X'}}", "bad-compose"),
        ("services: {a: {image: x, cap_add: [CHOWM]}}", "unknown-capability"),
        ("services: {a: {image: x, environment: ['A B=1']}}", "bad-config"),
        ("services: {a: {image: x, env_file: ../../etc/shadow}}", "outside-project"),
        ("services: {a: {image: x, env_file: /etc/shadow}}", "outside-project"),
        ("services: {a: {image: x, env_file: link}}", "outside-project"),
        ("services: {a: {image: x, env_file: '${HOME}/x'}}", "outside-project"),
        ("services: {a: {extends: {file: /etc/passwd, service: b}}}", "outside-project"),
        (
            "include: [https://example.org/compose.git]\nservices: {a: {image: x}}",
            "outside-project",
        ),
        ("include: [{path: [oci://x/y]}]\nservices: {a: {image: x}}", "outside-project"),
        ("include: [other.yaml]\nservices: {a: {image: x}}", "compose-needed"),
        ("services: {a: {extends: b}, b: {image: x}}", "compose-needed"),
        ("services: {a: {image: x, env_file: none.env}}", "bad-compose"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, slug: str) -> None:
    write(tmp_path, "services: {}\ninclude: [compose.yaml]\n", "other.yaml")  # a cycle
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(UsageError) as caught:
        described(write(tmp_path, text), None)
    assert caught.value.slug == slug
    assert len(str(caught.value)) < 600


def test_names_from_strangers_are_shortened_and_data(tmp_path: Path) -> None:
    name = "a\x1b[31m\n" * 100
    text = f"services: {{a: {{image: x}}, b: {{image: {name!r}}}}}"
    with pytest.raises(UsageError):
        described(write(tmp_path, text.replace("\x1b", "\\x1b")), "b")


def test_which_file_is_taken(tmp_path: Path) -> None:
    assert find_compose(tmp_path) is None
    write(tmp_path, "", "docker-compose.yml")
    assert find_compose(tmp_path) == tmp_path / "docker-compose.yml"
    write(tmp_path, "", "compose.yaml")
    assert find_compose(tmp_path) == tmp_path / "compose.yaml"


VALUES = {"A": "a", "E": ""}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A${A}", "aa"),
        ("$$A", "$A"),
        ("${E-x}${E:-y}", "y"),
        ("${N-x}${N:-y}", "xy"),
        ("${N:-${A}b}", "ab"),
        ("${A:+set}${N:+set}${E+set}", "setset"),
        ("$N", ""),
        ("a$", None),
        ("${}", None),
        ("${A!x}", None),
        ("${N?}", None),
        ("${N:-" * 20 + "}" * 20, None),
    ],
)
def test_interpolation(text: str, value: str | None) -> None:
    interpolator = Interpolator(VALUES, "x")
    if value is None:
        with pytest.raises(UsageError):
            interpolator.text(text)
    else:
        assert interpolator.text(text) == value


def test_env_files() -> None:
    text = "# c\n\nA=1 # one\nB=\"x\\n$A\"\nC='$A'\nexport D = d\nE\nF\n"
    found: dict[str, Any] = parse_env_file(text, {"E": "e"}, "x")
    assert found == {"A": "1", "B": "x\n1", "C": "$A", "D": "d", "E": "e", "F": None}
    with pytest.raises(UsageError, match="line 1"):
        parse_env_file("a b\n", {}, "x")


def test_reading_is_from_the_projects_folder_not_ours(tmp_path: Path) -> None:
    inner = tmp_path / "in ner"
    inner.mkdir()
    path = write(inner, "services: {a: {image: x, volumes: ['.:/w']}}")
    box = described(Path(os.path.relpath(path)), None).container
    assert box.mounts == ((str(inner), "/w", "rw"),)
