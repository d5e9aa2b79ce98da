"""Checkpoints: an interrupted fit continues from the experts that were finished."""

import numpy as np
import pytest

from egem import EGEMClassifier, LSTMDecoder, Training
from egem.io.checkpoint import Folder
from helpers import make_waves

LABELS = tuple(f"c{i:02d}" for i in range(9))
SMALL = {
    "views": ("recurrent",),
    "decoder": LSTMDecoder(8),
    "align": "start",
    "augment": "none",
    "random_state": 0,
}


def small(n_updates=20, checkpoint=None, **changed):
    training = Training(n_updates=n_updates, checkpoint=checkpoint)
    return EGEMClassifier(**SMALL | changed, training=training)


def test_a_repeated_fit_reuses_complete_checkpoints_only(tmp_path):
    X, y = make_waves(3, labels=LABELS)
    expected = small().fit(X, y).losses(X)
    small(checkpoint=str(tmp_path)).fit(X, y)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == 3  # two batches of four experts and one of one
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-40])
    written = files[2].stat().st_mtime_ns
    again = small(checkpoint=str(tmp_path)).fit(X, y)
    np.testing.assert_array_equal(again.losses(X), expected)
    assert sorted(tmp_path.glob("*.safetensors")) == files
    assert files[2].stat().st_mtime_ns == written


def test_other_cases_labels_or_parameters_find_no_checkpoint(tmp_path):
    X, y = make_waves(3, labels=LABELS[:4])

    def n_files(X, y, **changed):
        small(checkpoint=str(tmp_path), **changed).fit(X, y)
        return len(list(tmp_path.iterdir()))

    assert n_files(X, y) == 1
    assert n_files(X[::-1], y[::-1]) == 2
    assert n_files(X, y, random_state=1) == 3
    assert n_files(X, y, n_updates=21) == 4
    assert n_files(X, np.char.add(y, "x")) == 5
    assert n_files(X, y) == 5


def test_a_checkpoint_that_is_not_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="checkpoint folder"):
        Folder(tmp_path / "file")
    with pytest.raises(ValueError, match="checkpoint"):
        small(checkpoint=3).fit(np.zeros((2, 5)), [0, 1])
