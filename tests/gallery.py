"""Files as people have them: writers of one set of recordings in many layouts."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

STEP = 0.02
LABELS = np.array(["run", "run", "sit", "sit", "walk", "walk"])
LENGTHS = (14, 12, 13, 15, 12, 16)


def recordings(equal=False, n_channels=2):
    """Two recordings of each of three labels, with values of three decimals."""
    rng = np.random.default_rng(0)
    lengths = [14] * 6 if equal else LENGTHS
    return [np.round(rng.normal(size=(n_channels, n)), 3) + 0.0004 for n in lengths]


def frame(x, names=("time", "ax", "ay"), step=STEP, start=0.0):
    """Make the table of one recording."""
    times = np.round(start + step * np.arange(x.shape[1]), 6)
    return pd.DataFrame(dict(zip(names, [times, *x], strict=True)))


def long(X, names=("case", "time", "label", "ax", "ay")):
    """Make the long table of all."""
    case, _, label = names[:3]
    parts = []
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        part = frame(x, (names[1], *names[3:]))
        part.insert(0, case, f"rec{i}")
        part.insert(2, label, y)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def wide(X, label="first", text=True):
    """Make the table of one channel, a row each."""
    longest = max(x.shape[1] for x in X)
    rows = np.full((len(X), longest), np.nan)
    for row, x in zip(rows, X, strict=True):
        row[: x.shape[1]] = x[0]
    table = pd.DataFrame(rows)
    values = LABELS if text else np.repeat([1, 2, 3], 2)
    table.insert(0 if label == "first" else longest, "label", values)
    return table


def text(path: Path, content: str, encoding="utf-8") -> Path:
    """Write a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def zipped(folder: Path) -> Path:
    """Pack a folder as a zip beside it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    return path


def folder_per_label(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        text(path / "data" / y / f"{i}.csv", frame(x).to_csv(index=False))
    return path / "data"


def names_with_labels(path, X, form="{label}_{i:02}.csv"):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        text(path / "data" / form.format(label=y, i=i), frame(x).to_csv(index=False))
    return path / "data"


def people_in_names(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        name = f"{y}-{('anna', 'ben')[i % 2]}-{i}.csv"
        text(path / "data" / name, frame(x).to_csv(index=False))
    return path / "data"


def numbers_first(path, X):
    return names_with_labels(path, X, "{i:02}_{label}.csv")


def pattern(path, X):
    names_with_labels(path, X)
    text(path / "data" / "notes.md", "not a recording")
    return path / "data" / "*_0?.csv"


def zip_of_folders(path, X):
    return zipped(folder_per_label(path, X))


def zip_of_names(path, X):
    return zipped(names_with_labels(path, X))


def gz_files(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        file = text(path / "data" / y / f"{i}.csv.gz", "")
        file.write_bytes(gzip.compress(frame(x).to_csv(index=False).encode()))
    return path / "data"


def headless_files(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        np.savetxt(text(path / "data" / y / f"{i}.txt", ""), x.T, fmt="%.4f")
    return path / "data"


def arrays_per_label(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        file = text(path / "data" / y / f"{i}.npy", "")
        np.save(file, x.T)
    return path / "data"


def segments(path, X):
    parts, start = [], 0.0
    for x, y in zip(X, LABELS, strict=True):
        for block, label in ((x, y), (np.zeros((2, 3)), "")):
            part = frame(block, ("timestamp", "ax", "ay"), start=start)
            part["activity"] = label
            parts.append(part)
            start += STEP * block.shape[1]
    return text(path / "day.csv", pd.concat(parts).to_csv(index=False))


def segments_without_time(path, X):
    parts = []
    for x, y in zip(X, LABELS, strict=True):
        parts += [frame(x).drop(columns="time").assign(gesture=y)]
        parts += [pd.DataFrame({"ax": [0.0], "ay": [0.0], "gesture": [""]})]
    return text(path / "day.csv", pd.concat(parts).to_csv(index=False))


def wide_header(path, X, label="first"):
    return text(path / "wide.csv", wide(X, label).to_csv(index=False))


def wide_header_last(path, X):
    return wide_header(path, X, "last")


def wide_named(path, X):
    table = wide(X).rename(columns=lambda c: c if c == "label" else f"att{c + 1}")
    table.insert(0, "id", [f"a{i}" for i in range(len(table))])
    return text(path / "wide.csv", table.to_csv(index=False))


def wide_headless(path, X, label="first"):
    return text(path / "wide.csv", wide(X, label).to_csv(index=False, header=False))


def wide_headless_last(path, X):
    return wide_headless(path, X, "last")


def ragged(path, X):
    rows = [",".join([y, *map(str, x[0])]) for x, y in zip(X, LABELS, strict=True)]
    return text(path / "wide.csv", "\n".join(rows))


def wide_channels(path, X):
    table = pd.DataFrame({"class": LABELS})
    for c, name in enumerate(("ax", "ay")):
        block = pd.DataFrame([x[c] for x in X], columns=[f"{name}_{t}" for t in range(14)])
        table = pd.concat([table, block], axis=1)
    return text(path / "wide.csv", table.to_csv(index=False))


def ucr_tsv(path, X):
    table = wide(X, text=False)
    return text(path / "Moves.tsv", table.to_csv(index=False, header=False, sep="\t", na_rep="NaN"))


def ucr_txt(path, X):
    rows = wide(X, text=False).to_numpy()
    np.savetxt(text(path / "Moves.txt", ""), rows, fmt="%16.7e")
    return path / "Moves.txt"


def other_names(path, X):
    table = long(X, ("Recording", "Timestamp", "Activity", "ax", "ay"))
    return text(path / "a.csv", table.to_csv().replace(",", ", "))


def y_and_t(path, X):
    return text(path / "a.csv", long(X, ("trial", "t", "y", "ax", "ay")).to_csv(index=False))


def unit_in_name(path, X):
    table = long(X, ("ID", "time (s)", "CLASS", "ax (m/s^2)", "ay (m/s^2)"))
    return text(path / "a.csv", table.to_csv(index=False))


def semicolons(path, X):
    content = long(X).to_csv(index=False, sep=";", decimal=",")
    return text(path / "a.csv", content, "utf-8-sig")


def tabs_in_utf16(path, X):
    return text(path / "a.txt", long(X).to_csv(index=False, sep="\t"), "utf-16")


def bars(path, X):
    return text(path / "a.txt", long(X).to_csv(index=False, sep="|"))


def blanks(path, X):
    return text(path / "a.dat", long(X).to_csv(index=False, sep=" "))


def comments(path, X):
    head = "# made by a logger\n% of 2024\n// 50 Hz\n\n"
    return text(path / "a.csv", head + long(X).to_csv(index=False))


def commented_header(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        np.savetxt(
            text(path / "data" / f"{y}{i}.txt", ""), frame(x).to_numpy(), header="time ax ay"
        )
    return path / "data"


def latin1(path, X):
    table = long(X, ("id", "zeit", "klasse", "ax °", "ay °"))
    return text(path / "a.csv", table.to_csv(index=False, sep=";"), "cp1252")


def gzipped(path, X):
    file = path / "a.csv.gz"
    file.write_bytes(gzip.compress(long(X).to_csv(index=False).encode()))
    return file


def clock(path, X):
    table = long(X)
    stamps = pd.Timestamp("2024-01-31 23:59:59.9") + pd.to_timedelta(table["time"], unit="s")
    table["time"] = stamps.dt.strftime("%H:%M:%S.%f").str[:-3]
    return text(path / "a.csv", table.to_csv(index=False))


def german_dates(path, X):
    table = long(X, ("id", "datum", "klasse", "ax", "ay")).rename(columns={"datum": "Zeit"})
    table["Zeit"] = (
        pd.Timestamp("2024-01-31 10:00:00") + pd.to_timedelta(table["Zeit"], unit="s")
    ).dt.strftime("%d.%m.%Y %H:%M:%S,%f")
    return text(path / "a.csv", table.to_csv(index=False, sep=";", decimal=","))


def epoch_milliseconds(path, X):
    table = long(X, ("id", "timestamp", "class", "ax", "ay"))
    table["timestamp"] = 1_700_000_000_000 + np.rint(1000 * table["timestamp"]).astype(np.int64)
    return text(path / "a.csv", table.to_csv(index=False))


def epoch_nanoseconds(path, X):
    table = long(X, ("id", "timestamp", "class", "ax", "ay"))
    table["timestamp"] = 1_700_000_000_000_000_000 + np.rint(1e9 * table["timestamp"]).astype(
        np.int64
    )
    return text(path / "a.csv", table.to_csv(index=False))
