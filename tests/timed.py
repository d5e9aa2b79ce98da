"""Cases with times of their own, drawn at random or written to files."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

NAN = float("nan")
values = st.floats(-1e6, 1e6) | st.just(NAN)
steps = st.sampled_from([1.0, 2.0, 0.1, 1 / 60, 0.3, 3600.0])


@st.composite
def series(draw):
    """Draw values of an even series, and which of its points are kept, the first always."""
    x = draw(
        hnp.arrays(np.float64, (draw(st.integers(1, 3)), draw(st.integers(2, 30))), elements=values)
    )
    kept = draw(hnp.arrays(bool, x.shape[1]))
    kept[[0, -1]] = True
    return x, kept


@st.composite
def observations(draw):
    """Draw times, any of them repeated, and values."""
    n = draw(st.integers(1, 12))
    times = draw(hnp.arrays(np.float64, n, elements=st.floats(-50, 50)))
    return times[draw(hnp.arrays(np.int64, n, elements=st.integers(0, n - 1)))], draw(
        hnp.arrays(np.float64, (draw(st.integers(1, 3)), n), elements=values)
    )


def long_table(cases, name="time"):
    frames = [
        pd.DataFrame(
            {"case": i, name: t} | {f"x{c}": row for c, row in enumerate(np.atleast_2d(x))}
        )
        for i, (t, x) in enumerate(cases)
    ]
    return pd.concat(frames, ignore_index=True)


def write(folder, text, name="a.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name
