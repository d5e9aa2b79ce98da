"""Malformed files are read right, or refused by an error that names file, line and remedy."""

import gzip
import io
import warnings
import zipfile
import zlib

import numpy as np
import pytest

import gallery
from egem import read_data
from egem.errors import TooLarge

LONG = "case,time,label,x,y\n"
ROWS = [f"{case},{t},{'uv'[case]},{case + t},{t}\n" for case in range(2) for t in range(3)]
X = [[[0, 1, 2], [0, 1, 2]], [[1, 2, 3], [0, 1, 2]]]


def long(*changes, head=LONG):
    """Write the table with some lines, counted from 2, replaced."""
    lines = list(ROWS)
    for line, content in changes:
        lines[line - 2] = content
    return head + "".join(lines)


REFUSED = {  # content, and what is said
    "row too long": (long((4, "0,2,u,2,2,9\n")), "line 4 has 6 cells, the header 5.*no row longer"),
    "row too short": (long((4, "0,2,u,2\n")), "line 4 has 4 cells, others have 5; complete it"),
    "cut off": (long()[:-5], "line 7 has 4 cells|line 7 has 3 cells"),
    "label missing": (long((3, "0,1,,1,1\n")), "case 0 has a row without a label; give every row"),
    "two labels": (long((3, "0,1,v,1,1\n")), "case 0 has more than one label; give every row"),
    "time twice": (long((3, "0,0,u,1,1\n")), "case 0 has two rows of time 0 .*keep one"),
    "time missing": (long((3, "0,,u,1,1\n")), "'time' is empty or infinite in row 3; fill it"),
    "time in words": (long((3, "0,noon,u,1,1\n")), "'time', row 3 holds 'noon'.*correct it"),
    "case missing": (long((3, ",1,u,1,1\n")), "'case' is empty, first in row 3; fill it"),
    "words in a channel": (long((3, "0,1,u,one,1\n")), "'x', row 3 holds 'one', .*correct it"),
    "unit in a cell": (long((3, "0,1,u,1 g,1\n")), "'x', row 3 holds '1 g', which is not a number"),
    "decimal comma": (
        long((3, '0,1,u,"1,5",1\n')),
        "'x', row 3 holds '1,5', which is not a number",
    ),
    "two decimal marks": (
        "case;time;x\na;0;1,5\na;1;2.5\na;2;1,5\n",
        "'x', row 2 holds '1,5', which is not a number",
    ),
    "NUL bytes": (long((3, "0,1,u,\0,1\n")), "line 3 holds a NUL byte.*export it anew"),
    "zeros at the end": (long() + "\0" * 100, "line 8 holds a NUL byte.*export it anew"),
    "control characters": (b"case,time,x\n\xff\x01,0,1\n", "line 2 is not UTF-8 text.*save it"),
    "picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "holds a NUL byte.*damaged or no text"),
    "empty": ("", "it is empty.*give a file with rows"),
    "blank lines": ("\n\n  \n", "it is empty.*give a file with rows"),
    "comments only": ("# nothing\n# at all\n", "it is empty.*give a file with rows"),
    "header only": (LONG, "0 rows with the columns case, time"),
    "same name twice": (LONG.replace("y", "x") + ROWS[0], "same name 'x'; rename or drop one"),
    "no channel": ("case,time,label\na,0,u\n", "at least one channel"),
    "labels only": ("label\nu\nv\n", "(?s)no column is a channel.*--channels"),
    "two label columns": (
        "id,t,activity,gesture,x\na,0,u,v,1\na,1,u,v,2\n",
        "label may be column 'activity' or 'gesture'; name it: --label 'activity'",
    ),
    "days without hyphens": (
        "case,time,x\na,20240131,1\na,20240201,2\n",
        "look like days written without hyphens; write 2024-01-31",
    ),
    "day or month": (
        "case,time,x\na,03/04/2024,1\na,04/04/2024,2\n",
        "dates like 03/04/2024 may begin with the day or with the month; write them as 2024",
    ),
    "label first or last": (
        "".join(f"{i % 2},{','.join('123456789')},{i % 3}\n" for i in range(6)),
        "(?s)label may be the first or the last column.*1 \\| 2 \\| 3.*--layout wide --label first",
    ),
    "few columns, whole first": (
        "".join(f"{i // 3},{0.5 * i},{0.1 * i}\n" for i in range(9)),
        "(?s)rows may be sequences or time points.*--layout segments --label first",
    ),
    "few numbered columns": (
        "label,ch1,ch2,ch3\nu,0.1,0.2,0.3\nv,0.4,0.5,0.6\n",
        "(?s)may be time points of a row each, or channels.*--layout wide",
    ),
    "row without values": (
        "label," + ",".join(f"t{i}" for i in range(12)) + "\nu" + ",1" * 12 + "\nv" + "," * 12,
        "row 3 holds no values; leave it out",
    ),
    "row without a label": (
        "label," + ",".join(f"t{i}" for i in range(12)) + "\nu" + ",1" * 12 + "\n" + ",1" * 12,
        "row 3 has no label in column 'label'; fill it",
    ),
    "infinite": (
        "case,time,x\na,0,inf\na,1,1\na,3,1\na,4,2\n",
        "case a holds an infinite value in channel 0, at time 0; correct it",
    ),
}


@pytest.mark.parametrize("trouble", REFUSED)
def test_malformed_tables_are_refused(trouble, tmp_path):
    content, says = REFUSED[trouble]
    file = tmp_path / "a.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=f"(?s)a\\.csv: .*(?:{says.removeprefix('(?s)')})"):
        read_data(file)


READ = {  # content
    "BOM": "\ufeff" + long(),
    "windows": long().replace("\n", "\r\n"),
    "old mac": long().replace("\n", "\r"),
    "no last line end": long().rstrip("\n"),
    "blank lines between": long().replace("\n1", "\n\n1"),
    "blanks everywhere": long().replace(",", " , "),
    "quotes everywhere": "".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in long().splitlines()
    ),
    "separators at the ends": long().replace("\n", ",\n"),
    "separators at the ends of rows": LONG + "".join(ROWS).replace("\n", ",\n"),
    "Excel's first line": "sep=;\n" + long().replace(",", ";"),
    "capitals": long(head="Case,TIME,Label,x,y\n"),
    "rows in any order": LONG + "".join(ROWS[i] for i in (2, 0, 1, 5, 3, 4)),
    "an index": "".join(
        f"{'' if i == 0 else i - 1},{line}\n" for i, line in enumerate(long().splitlines())
    ),
}


@pytest.mark.parametrize("oddity", READ)
def test_odd_tables_are_read_right(oddity, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(READ[oddity].encode())
    found, y = read_data(file)
    np.testing.assert_array_equal(found, X)
    assert y is not None and y.tolist() == ["u", "v"]


@pytest.mark.parametrize("word", ["", "NULL", "null", "-", "N/A", "?", "nan", "NaN"])
def test_words_for_missing_values(word, tmp_path):
    file = gallery.text(tmp_path / "a.csv", long((3, f"0,1,u,{word},1\n")))
    found, _ = read_data(file)
    assert np.isnan(found[0, 0, 1]) and np.isnan(found).sum() == 1


def test_a_thousand_columns(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 1000)).round(3)
    names = ",".join(f"channel {c}x" for c in range(1000))
    rows = "".join(f"a,{t}," + ",".join(map(str, row)) + "\n" for t, row in enumerate(values))
    found, _ = read_data(gallery.text(tmp_path / "a.csv", f"id,t,{names}\n{rows}"))
    np.testing.assert_array_equal(found, values.T[None])


def packed(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


LARGE = "x,y\n" + "0.25,0.5\n" * 20_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", LARGE.encode()),
        ("a.csv.gz", gzip.compress(LARGE.encode())),
        ("a.zip", packed(**{"a.csv": LARGE})),
        ("a.zip", packed(**{f"{i}.csv": LARGE[:60_000] for i in range(3)})),
        ("a.zip", packed(**{"b.zip": packed(**{"a.csv": LARGE})})),
        ("a.zip", packed(**{"a.csv.gz": gzip.compress(LARGE.encode())})),
    ],
)
def test_the_limit_counts_what_is_unpacked(name, content, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.*over the limit of 100,000; if you trust"):
        read_data(tmp_path / name, max_bytes=100_000)
    monkeypatch.setenv("EGEM_MAX_BYTES", "100000")
    with pytest.raises(ValueError, match="over the limit of 100,000"):
        read_data(tmp_path / name)


def test_the_limit_counts_the_files_of_a_folder_together(tmp_path):
    for i in range(3):
        gallery.text(tmp_path / "data" / f"{i}.csv", LARGE[:60_000].rpartition("\n")[0])
    with pytest.raises(TooLarge, match="over the limit"):
        read_data(tmp_path / "data", max_bytes=100_000)
    found, _ = read_data(tmp_path / "data", max_bytes=200_000)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (packed(**{"../a.csv": "x\n1\n"}), "'../a.csv' lies outside of the zip; pack it anew"),
        (packed(**{"b/../../a.csv": "x\n1\n"}), "lies outside of the zip"),
        (packed(**{"/etc/a.csv": "x\n1\n"}), "lies outside of the zip"),
        (packed(**{"a.png": "x"}), r"holds no file that can be read \(endings: .png\)"),
        (packed(), r"holds no file that can be read \(endings: no files\)"),
        (packed(**{"a.csv": LARGE})[:-40], "cannot be read as .zip.*pack it anew"),
        (packed(a="1").replace(b"a", b"\xff"), ""),
        (b"", "cannot be read as .zip"),
    ],
)
def test_malformed_zips_are_refused(content, says, tmp_path):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.zip: .*{says}"):
        read_data(tmp_path / "a.zip")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.zip"]


def test_a_damaged_member_is_named(tmp_path):
    damaged = bytearray(packed(**{"walk/1.csv": LARGE, "run/1.csv": LARGE}))
    damaged[60] ^= 255
    (tmp_path / "a.zip").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.zip/walk/1\.csv: cannot be unpacked"):
        read_data(tmp_path / "a.zip")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(LARGE.encode())[:100])
    with pytest.raises(ValueError, match=r"a\.csv\.gz: cannot be unpacked .*pack it anew"):
        read_data(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(zlib.compress(b"x\n1\n"))
    with pytest.raises(ValueError, match=r"b\.csv\.gz: cannot be unpacked"):
        read_data(tmp_path / "b.csv.gz")


def test_malformed_folders_are_refused(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"data: it holds no file that can be read"):
        read_data(folder)
    with pytest.raises(FileNotFoundError, match="there is no such file or folder"):
        read_data(tmp_path / "dato")
    with pytest.raises(FileNotFoundError, match="no file has such a name"):
        read_data(tmp_path / "dat*.csv")
    gallery.text(folder / "walk_1.csv", "t,x\n0,1\n1,2\n")
    other = gallery.text(folder / "walk_2.csv", "t,z\n0,1\n1,2\n")
    with pytest.raises(ValueError, match=r"walk_2\.csv: it has the channels z.*Choose common ones"):
        read_data(folder)
    gallery.text(other, "t,x\n0,1\n1,oops\n")
    with pytest.raises(ValueError, match=r"walk_2\.csv: column 'x', row 3 holds 'oops'"):
        read_data(folder)
    gallery.text(other, "x\n1\n2\n")
    with pytest.raises(ValueError, match=r"walk_2\.csv: only some files .*have a column of times"):
        read_data(folder)


def test_labels_of_two_levels_of_folders_need_an_option(tmp_path):
    for who in ("anna", "ben"):
        for label in ("run", "walk"):
            gallery.text(tmp_path / who / label / "1.csv", "t,x\n0,1\n1,2\n")
    with pytest.raises(ValueError, match=r"outer folders \(anna, ben\) or the inner .*folder:1"):
        read_data(tmp_path)
    for source, labels in (
        ("folder", ["run", "walk"] * 2),
        ("folder:1", ["anna"] * 2 + ["ben"] * 2),
    ):
        found, y = read_data(tmp_path, label_from=source)
        assert y is not None and y.tolist() == labels and found.shape == (4, 1, 2)


def test_sensors_that_lack_times_are_refused(tmp_path):
    gallery.text(tmp_path / "r" / "Accelerometer.csv", "seconds_elapsed,x\n0,1\n0.1,2\n")
    file = gallery.text(tmp_path / "r" / "Gyroscope.csv", "x,y\n0,1\n0.1,2\n")
    with pytest.raises(ValueError, match=r"Gyroscope\.csv: its column of times is not known"):
        read_data(tmp_path / "r")
    gallery.text(file, "seconds_elapsed,x\n0,1\n0.1\n")
    with pytest.raises(ValueError, match=r"Gyroscope\.csv: line 3 has 1 cells, others have 2"):
        read_data(tmp_path / "r")


def test_excel_names_the_package_it_needs(tmp_path):
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        gallery.text(tmp_path / "a.xlsx", "")
        with pytest.raises(ImportError, match=r"a\.xlsx: \.xlsx files need openpyxl; run: pip"):
            read_data(tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"layout": "deep"}, "layout must be one of long, wide"),
        ({"label_from": "air"}, "label_from must be one of folder"),
        ({"sep": ",,"}, "sep must be one character"),
        ({"decimal": "x"}, "decimal must be . or ,"),
        ({"channels": "x"}, "channels must be a list"),
        ({"label": "mood"}, r"a\.csv: there is no column 'mood'; its columns are case, time"),
        ({"channels": ["q*"]}, r"a\.csv: there is no channel 'q\*'; its columns are case"),
    ],
)
def test_wrong_options_are_named(option, says, tmp_path):
    file = gallery.text(tmp_path / "a.csv", long())
    with pytest.raises(ValueError, match=says), warnings.catch_warnings():
        read_data(file, **option)
