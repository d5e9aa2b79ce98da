"""Cases from many files: a folder, a zip, or the files that a pattern names."""

from pathlib import Path
from typing import Any

import numpy as np

from egem.data.grid import Rows
from egem.data.sequences import Labels, precision
from egem.readers.array_files import arrays_among, recording_of_array
from egem.readers.folder_labels import labels_of
from egem.readers.folders import Member, members_of
from egem.readers.hints import Hints
from egem.readers.layouts import Arranged
from egem.readers.long_format import Cases
from egem.readers.sensors import by_recording, is_sensor, joined
from egem.readers.summary import Found
from egem.readers.table_files import arranged_frame, arranged_text
from egem.readers.tables import read_parquet

NOUNS = {"long": "cases", "wide": "sequences", "segments": "segments", "recording": "recordings"}


def read_collection(path: Path, hints: Hints, start: Any, limit: int) -> Found:
    """Read the recordings of a folder, a zip or a pattern.

    Raises
    ------
    FileNotFoundError
        If no file has a name of the pattern.
    ValueError
        If a file cannot be read, or they do not belong together; the message names one.
    """
    members, n_ignored = members_of(path, limit)
    arrays = arrays_among(members, path)
    if arrays is not None:
        return Found(arrays, "sequences", "the array of labels", None, _others(n_ignored))
    if len(members) == 1 and not is_sensor(members[0]):
        found = _read([members[0]], members[0].path, hints, start, limit, one_of_many=False)[0]
        return of_one_file(found, members[0].path, hints, _others(n_ignored))
    groups = by_recording(members, path)
    n_ignored += len(members) - sum(len(files) for _, files in groups)
    outside = hints.label_from in ("name", "none") or (hints.label_from or "").startswith("folder")
    inner = hints._replace(label_from="none") if outside else hints
    parts, steps = [], []
    for name, files in groups:
        arranged, step = _read(files, path.joinpath(*name), inner, start, limit, one_of_many=True)
        if arranged.layout == "wide" or not isinstance(arranged.cases, Cases):
            raise ValueError(
                f"{files[0].path}: it holds a sequence a row, as other files of {path} may; give "
                "one such file, or --layout recording."
            )
        parts.append(arranged)
        steps += [step] if step is not None else []
    labelled = [arranged.cases.labels is not None for arranged in parts]
    if any(labelled) and not all(labelled):
        file = groups[labelled.index(False)][1][0].path
        raise ValueError(
            f"{file}: it has no column of labels, other files have; give --label-from folder or "
            "--label-from name."
        )
    labels, source = None, parts[0].source
    if not all(labelled):
        labels, source = labels_of(path, [name for name, _ in groups], hints.label_from)
    cases = _joined(path, ["/".join(name) for name, _ in groups], parts, labels)
    remarks = tuple(dict.fromkeys(remark for each in parts for remark in each.remarks))
    several = any(len(files) > 1 for _, files in groups)
    step = float(f"{np.median(steps):.6g}") if several and steps else None
    noun = NOUNS[parts[0].layout]
    return Found(cases, noun, source, parts[0].unit, remarks + _others(n_ignored), step)


def of_one_file(arranged: Arranged, path: Path, hints: Hints, more: tuple[str, ...] = ()) -> Found:
    """Describe the content of one file; its own name or folder is a label only if asked for."""
    cases, source = arranged.cases, arranged.source
    wanted = hints.label_from or ""
    if wanted == "name" or wanted.startswith("folder"):
        absolute = path.absolute()
        parts = (*absolute.parent.parts, absolute.name.partition(".")[0])
        labels, source = labels_of(path, [parts], "name" if wanted == "name" else "folder")
        y = np.array((labels or []) * _n_cases(cases))
        cases = cases._replace(labels=y) if isinstance(cases, Cases) else cases._replace(y=y)
    noun = NOUNS[arranged.layout]
    return Found(cases, noun, source, arranged.unit, arranged.remarks + more)


def _others(n: int) -> tuple[str, ...]:
    return (f"{n} other file{'s' * (n > 1)} left out",) if n else ()


def _n_cases(cases) -> int:
    return len(cases.rows.names) if isinstance(cases, Cases) else len(cases.X)


def _read(
    files: list[Member], path: Path, hints: Hints, start: Any, limit: int, one_of_many: bool
) -> tuple[Arranged, float | None]:
    """Read the files of one recording, and the step that joins several sensors."""
    if is_sensor(files[0]) or len(files) > 1:
        texts = [file for file in files if file.ending not in (".npy", ".parquet")]
        return joined(texts, path, hints, start)
    (file,) = files
    if file.ending == ".npy":
        return recording_of_array(file.read(), file.path, limit), None
    if file.ending == ".parquet":
        table = read_parquet(file.path, limit, file.read())
        return arranged_frame(table, hints, start, one_of_many), None
    return arranged_text(file.read(), file.path, hints, start, one_of_many), None


def _joined(path: Path, names: list[str], parts: list[Arranged], labels: list[str] | None) -> Cases:
    """Join the cases of several files; channels are matched by their names."""
    cases: list[Cases] = [part.cases for part in parts if isinstance(part.cases, Cases)]
    first = cases[0]
    rows, all_names, all_labels = [], [], []
    for i, (name, each) in enumerate(zip(names, cases, strict=True)):
        if sorted(each.channels) != sorted(first.channels):
            lacking = sorted({*first.channels} ^ {*each.channels})
            raise ValueError(
                f"{each.path}: it has the channels {', '.join(each.channels[:20])}, but "
                f"{first.path} has {', '.join(first.channels[:20])}; not in both: "
                f"{', '.join(lacking[:20])}. Choose common ones with --channels, or leave it out."
            )
        if each.timed != first.timed:
            raise ValueError(
                f"{each.path}: only some files of {path} have a column of times; name it in all "
                "of them, or drop it."
            )
        order = [each.channels.index(channel) for channel in first.channels]
        n = len(each.rows.names)
        inside = [name] if n == 1 else [f"{name}/{case}" for case in each.rows.names]
        time = each.rows.time if each.start is None else each.rows.time - each.start
        rows.append((each.rows.case + len(all_names), time, each.rows.values[order]))
        all_names += inside
        own = each.labels if labels is None else [labels[i]] * n
        all_labels += [] if own is None else list(own)
    case, time, values = (np.concatenate([row[k] for row in rows], axis=-1) for k in range(3))
    values = values.astype(precision(values.dtype))
    y: Labels | None = np.array(all_labels) if all_labels else None
    start = None if first.start is None else 0.0
    return Cases(path, Rows(case, time, values, all_names), y, first.channels, start, first.timed)
