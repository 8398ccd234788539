"""Decide what goes beside a profile: which deployment files, and what they have to say."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.cli.container_options import WHERE
from synth.config import DEFAULT_NAME, Config, ContainerSource, load_config
from synth.emit.compose import FILE_NAME as COMPOSE
from synth.emit.compose import compose_override
from synth.emit.deployment import FOLDER, Deployment, Workspace
from synth.emit.devcontainer import FILE_NAME as DEVCONTAINER
from synth.emit.devcontainer import devcontainer_snippet
from synth.emit.kubernetes import POD_NAME, PROFILE_NAME, operator_profile, pod
from synth.emit.outdated import outdated
from synth.emit.run import NAMES, run_script
from synth.errors import UsageError
from synth.evidence import Evidence
from synth.generate import Generated
from synth.oci import to_oci
from synth.profile import dump_profile
from synth.project.compose import ComposeFiles, merge_compose, read_compose, service_of
from synth.project.described import strings
from synth.project.devcontainer import compose_of, load_devcontainer, project_folder
from synth.text import nearest

EMITTERS = ("compose", "devcontainer", "docker", "podman", "kubernetes")
DEFAULT_SERVICE = "app"


def parse_emitters(text: str) -> tuple[str, ...]:
    """Return the emitters of a comma-separated list; ``none`` is none; raises ``UsageError``."""
    names = [one.strip() for one in text.split(",") if one.strip()]
    if names == ["none"]:
        return ()
    for name in names:
        if name not in EMITTERS:
            fix = nearest(name, EMITTERS, f"choose from {', '.join(EMITTERS)}")
            raise _bad(f"--emit: there is no {name[:40]!r}", fix)
    return tuple(one for one in EMITTERS if one in names)


def project_of(path: Path | None) -> Config | None:
    """Return the project file that was named, or the one in this folder if there is one."""
    if path is None:
        default = Path(DEFAULT_NAME)
        return load_config(default) if default.exists() else None
    return load_config(path)


def today(environment: Mapping[str, str]) -> datetime.date:
    """Return today's date (UTC), or the one of SOURCE_DATE_EPOCH for repeatable output."""
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    if re.fullmatch(r"[0-9]{1,11}", epoch, re.ASCII):
        return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).date()
    return datetime.datetime.now(datetime.UTC).date()


def deployment_of(
    project: Config | None,
    service: str | None,
    folder: Path,
    evidence: Evidence,
    generated: Generated,
    cap_add: tuple[str, ...],
) -> Deployment:
    """Describe what is to be deployed; reads the project's compose files if it has some."""
    source = project.source if project is not None else None
    found = _from_source(source, service) if source is not None else _Found()
    base = found.folder
    subject = sorted(evidence.subjects, key=lambda one: (one.image, one.image_digest))[0]
    return Deployment(
        service=service or found.service or DEFAULT_SERVICE,
        image=subject.image,
        user=subject.user,
        profile=dump_profile(generated.profile),
        oci=dump_profile(to_oci(generated.profile, generated.resolved.target), "oci"),
        cap_add=cap_add,
        no_new_privileges=evidence.no_new_privileges,
        profile_folder=_relative(folder, base) if base is not None else "",
        kept_options=found.kept,
        compose_files=tuple(os.path.relpath(one, base) for one in found.files),
        compose_folder=os.path.relpath(base) if base is not None else ".",
        workspace=_workspace(source, found, folder),
    )


def emitted(deployment: Deployment, emitters: tuple[str, ...], arch: str) -> dict[str, str]:
    """Return file name -> text of everything that the emitters write, profiles first."""
    texts: dict[str, str] = {}
    of_compose = "devcontainer" in emitters and deployment.workspace.of_compose
    if "compose" in emitters or of_compose:
        texts[deployment.hashed_name] = deployment.profile
        texts[COMPOSE] = compose_override(deployment)
    if "devcontainer" in emitters:
        texts[DEVCONTAINER] = devcontainer_snippet(deployment)
    for engine, name in NAMES.items():
        if engine in emitters:
            texts[name] = run_script(deployment, engine)
    if "kubernetes" in emitters:
        texts[f"{FOLDER}/{deployment.oci_name}"] = deployment.oci
        texts[PROFILE_NAME] = operator_profile(deployment)
        texts[POD_NAME] = pod(deployment, arch)
    return texts


def remove_outdated(folder: Path, deployment: Deployment, project: Config | None) -> list[str]:
    """Remove the profiles of earlier runs that nothing names any more; return their names."""
    source = project.source if project is not None else None
    naming: tuple[Path, ...] = ()
    if source is not None:
        naming = (source.path, *_from_source(source, deployment.service).files)
    removed = []
    for path in outdated(folder, deployment.service, naming):
        with contextlib.suppress(OSError):  # it is in nobody's way
            path.unlink()
            removed.append(f"{FOLDER}/{path.name}")
    return removed


@dataclass(frozen=True)
class _Found:
    """What a project's files say.

    ``folder`` is what paths are relative to.  ``named`` are the compose files that a devcontainer
    is made of, ``files`` those that Compose reads for the first of them.
    """

    files: tuple[Path, ...] = ()
    folder: Path | None = None
    service: str = ""
    kept: tuple[str, ...] = ()
    named: tuple[Path, ...] = ()


def _from_source(source: ContainerSource, service: str | None) -> _Found:
    path, wanted = source.path, service or source.service
    named: tuple[Path, ...] = ()
    if source.kind == "devcontainer":
        document = load_devcontainer(path)
        reference = compose_of(document, path)
        if reference is None:
            options = strings(document.get("securityOpt"))
            return _Found((), project_folder(path), "", _kept(options))
        named = reference.files
        path, wanted = named[0], service or reference.service
    files = read_compose(path)
    name, mapping = service_of(_model(files), wanted or None, str(path))
    kept = _kept(strings(mapping.get("security_opt")))
    return _Found(files.files, files.folder, name, kept, named)


def _workspace(source: ContainerSource | None, found: _Found, folder: Path) -> Workspace:
    """Return what a devcontainer.json calls the files; one that is not there, where most are.

    Without a project that is one for the folder that we run in.
    """
    root = project_folder(source.path) if source is not None else Path.cwd()
    place = root / ".devcontainer"
    if source is not None and source.kind == "devcontainer":
        place = Path(os.path.abspath(source.path)).parent
    files = found.named or found.files or (root / "compose.yaml",)
    return Workspace(
        folder=_relative(folder, root),
        compose_files=tuple(os.path.relpath(one, place) for one in files),
        override=os.path.relpath(os.path.abspath(folder / COMPOSE), place),
        of_compose=bool(found.named),
    )


def _model(files: ComposeFiles) -> Mapping[str, Any]:
    """Return the project merged; with includes, which we do not merge, the first file alone."""
    if files.needs_compose:
        return files.documents[0]
    return merge_compose(files, os.environ)[0]


def _kept(options: list[str]) -> tuple[str, ...]:
    ours = ("seccomp", "no-new-privileges")
    return tuple(one for one in options if not one.startswith(ours))


def _relative(folder: Path, base: Path) -> str:
    path = os.path.relpath(os.path.abspath(folder), os.path.abspath(base))
    if any(ord(one) < ord(" ") for one in path):
        raise _bad("the output folder's name has control characters", "name another with -o")
    return path if path.startswith("..") else f"./{path}" if path != "." else "."


def _bad(what: str, fix: str) -> UsageError:
    return UsageError(what, where=WHERE, slug="bad-option", fix=fix)
