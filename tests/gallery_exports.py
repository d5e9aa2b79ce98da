"""Exports of phones and files of arrays, written of the recordings of the gallery."""

import zipfile

import numpy as np
import pandas as pd

from gallery import LABELS, STEP, frame, long, text, wide


def phyphox(path, X):
    names = ("Time (s)", "Linear Acceleration x (m/s^2)", "Linear Acceleration y (m/s^2)")
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        folder = path / "data" / y / f"Acceleration {i}"
        header = ",".join(f'"{name}"' for name in names) + "\n"
        rows = frame(x).map("{:.9E}".format).to_csv(index=False, header=False)
        text(folder / "Raw Data.csv", header + rows)
        text(folder / "meta" / "device.csv", '"property","value"\n"version","1.1"\n')
        text(folder / "meta" / "time.csv", '"event","experiment time"\n"START",0\n')
    return path / "data"


def sensor_logger(path, X):
    for i, (x, y) in enumerate(zip(X, LABELS, strict=True)):
        folder = path / "data" / f"{y}_{i}-2024-01-31_10-00-0{i}"
        start = 1_700_000_000_000_000_000
        for sensor, shift, column in (("Accelerometer", 0.0, 0), ("Gyroscope", 0.001, 1)):
            seconds = np.round(0.3 + shift + STEP * np.arange(x.shape[1]), 6)
            table = pd.DataFrame({"time": start + np.rint(1e9 * seconds).astype(np.int64)})
            table["seconds_elapsed"] = seconds
            for k, axis in enumerate("zyx"):
                table[axis] = x[column] * (k + 1)
            text(folder / f"{sensor}.csv", table.to_csv(index=False))
        text(folder / "Metadata.csv", "version,device name\n3,phone\n")
        text(folder / "Annotation.csv", "time,seconds_elapsed,text,millisecond_press_duration\n")
    return path / "data"


def sensor_logger_zips(path, X):
    folder = sensor_logger(path, X)
    out = path / "zips"
    out.mkdir()
    for each in sorted(folder.iterdir()):
        with zipfile.ZipFile(out / f"{each.name}.zip", "w") as archive:
            for file in each.iterdir():
                archive.write(file, file.name)
    return out


def arff(path, X):
    names = "".join(f"@attribute att{t} numeric\n" for t in range(14))
    rows = wide(X, "last").to_csv(index=False, header=False, na_rep="?")
    head = f"% of a test\n@relation moves\n{names}@attribute target {{run,sit,walk}}\n@data\n"
    return text(path / "a.arff", head + rows)


def relational_arff(path, X):
    names = "".join(f"@attribute t{t} numeric\n" for t in range(14))
    rows = [
        "'" + "\\n".join(",".join(map(str, row)) for row in x) + f"',{y}"
        for x, y in zip(X, LABELS, strict=True)
    ]
    head = f"@relation moves\n@attribute bag relational\n{names}@end bag\n"
    head += "@attribute class {run,sit,walk}\n@data\n"
    return text(path / "a.arff", head + "\n".join(rows) + "\n")


def mat(path, X):
    from scipy.io import savemat

    savemat(path / "a.mat", {"X": np.stack(X), "y": np.array(LABELS, object)})
    return path / "a.mat"


def mat_time_first(path, X):
    from scipy.io import savemat

    cube = np.stack(X).transpose(2, 1, 0)  # (time, channels, cases), as MATLAB's users store them
    savemat(path / "a.mat", {"data": cube, "labels": np.repeat([1.0, 2.0, 3.0], 2)})
    return path / "a.mat"


def mat_cells(path, X):
    from scipy.io import savemat

    cells = np.empty(len(X), object)
    cells[:] = [x.T for x in X]
    savemat(path / "a.mat", {"X": cells, "Y": np.repeat([1, 2, 3], 2)})
    return path / "a.mat"


def npy_with_labels(path, X):
    np.save(path / "X.npy", np.stack(X))
    np.save(path / "y.npy", LABELS)
    return path / "X.npy"


def npy_with_csv(path, X):
    folder = path / "data"
    folder.mkdir()
    np.save(folder / "X.npy", np.stack(X))
    text(
        folder / "labels.csv", "index,label\n" + "".join(f"{i},{y}\n" for i, y in enumerate(LABELS))
    )
    return folder


def ts_with_comments(path, X):
    head = "@problemName T\n@timeStamps false\n@univariate false\n@equalLength false\n"
    head += "@classLabel true run sit walk\n@data\n"
    rows = [":".join(",".join(map(str, row)) for row in x) for x in X]
    rows = [f"# case {i}\n{row}:{y}\n" for i, (row, y) in enumerate(zip(rows, LABELS, strict=True))]
    return text(path / "a.ts", head + "".join(rows))


def long_parquet(path, X):
    table = long(X, ("recording_id", "seconds_elapsed", "activity", "ax", "ay"))
    table.to_parquet(path / "a.parquet")
    return path / "a.parquet"
