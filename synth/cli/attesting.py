"""Write in-toto statements to files: the part of ``report`` behind ``--attest``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from synth.cli.common import Settings
from synth.config import slug
from synth.errors import DataError
from synth.files import read_bounded, write_all
from synth.report.attestation import File, result_statement, trace_statement
from synth.report.inputs import Inputs, belonging
from synth.verdict import judge


def attest(
    settings: Settings, inputs: Inputs, folder: Path, about: Iterable[Path], *, force: bool
) -> None:
    """Write a statement for each recording and each validation to ``folder``.

    ``about`` are the files that a validation is about, those that are there.  Raises
    ``DataError`` when the files do not belong together: that must not be signed.
    """
    wrong = next((one for one in belonging(inputs) if one.severity == "error"), None)
    if wrong is not None:
        raise DataError(
            f"{wrong.message}: no statement is made of files that do not belong together",
            where=wrong.subject,
            slug="cannot-attest",
            fix=wrong.fix,
        )
    texts: dict[str, str] = {}
    for digest, (name, recording) in zip(inputs.digests(), inputs.recordings, strict=True):
        file = _file(Path(name))
        texts[_unused(texts, f"{_stem(name)}.trace")] = trace_statement(file, recording, digest)
    subjects = [_file(path) for path in about if path.exists()]
    made_with = dict(inputs.baseline.source).get("sha256", "")
    for name, replay, recording_of in inputs.pairs():
        if recording_of is not None:
            configuration = {
                "recording": replay.recording_sha256,
                f"default profile {inputs.baseline.name}": made_with,
            }
            texts[_unused(texts, f"{_stem(name)}.test")] = result_statement(
                subjects, _file(Path(name)), replay, judge(recording_of, replay), configuration
            )
    write_all(folder, texts, force=force)
    settings.note(f"wrote {', '.join(texts)} to {folder}")


def _file(path: Path) -> File:
    return File(path.name, hashlib.sha256(read_bounded(path)).hexdigest())


def _stem(name: str) -> str:
    return slug(Path(name).name.removesuffix(".json"))


def _unused(taken: dict[str, str], stem: str) -> str:
    """Return a file name that is not taken yet: files of two folders may have one name."""
    number, name = 1, f"{stem}.intoto.json"
    while name in taken:
        number += 1
        name = f"{stem}-{number}.intoto.json"
    return name
