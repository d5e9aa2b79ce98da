"""The user's files on the page: plots, fit, result, errors."""

import numpy as np
import pytest


@pytest.fixture
def waves_csv(tmp_path):
    """Three kinds of waves in a long csv."""
    rng = np.random.default_rng(0)
    lines = ["case,time,value,label"]
    for case in range(36):
        label, pace = [("slow", 1.0), ("middle", 1.6), ("fast", 2.4)][case % 3]
        t = np.arange(30)
        values = np.sin(pace * t / 6 + rng.normal(0, 0.2)) + rng.normal(0, 0.05, 30)
        lines += [f"{case},{i},{value:.4f},{label}" for i, value in zip(t, values, strict=True)]
    file = tmp_path / "waves.csv"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def data(page):
    page.click("#guide-skip")
    page.click('nav a[href="#data"]')
    return page


def test_a_file_is_plotted_and_fitted(data, waves_csv):
    data.set_input_files("#data-file", waves_csv)
    data.wait_for_selector("#recordings:not([hidden])")
    assert "36 recordings of 3 labels, 1 channel, 30 time" in data.text_content(
        "#recordings-summary"
    )
    assert data.locator("#cards > li").count() == 24
    data.click("#cards-more")
    assert data.locator("#cards > li").count() == 36 and data.locator("#cards-more").is_hidden()
    data.click("#fit-go")
    data.wait_for_selector("#result:not([hidden])")
    found = data.text_content("#result-text .name")
    right, _, tested = found.partition(" of ")
    assert int(tested) == 6 and int(right) >= 5

    data.reload()
    data.wait_for_selector("#result:not([hidden])")
    assert data.text_content("#result-text .name") == found
    data.wait_for_selector("#cards > li")
    data.click('nav a[href="#inspect"]')
    data.wait_for_selector("#codes .map .picture >> nth=48")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"hello"),
        ("broken.csv", b"case,time,value,label\n1,2"),
        ("broken.npz", b"PK\x03\x04 not really"),
        ("empty.ts", b""),
    ],
)
def test_a_wrong_file_is_refused_in_plain_words(data, tmp_path, name, content):
    file = tmp_path / name
    file.write_bytes(content)
    data.set_input_files("#data-file", file)
    message = data.locator(".notice.bad")
    message.wait_for()
    words = message.locator("p").text_content()
    assert len(words.split()) > 5
    assert "Traceback" not in words and "{" not in words
    assert data.locator("#fit").is_hidden()
    message.locator("button").click()
    assert message.count() == 0


def test_a_file_that_is_too_large_is_not_sent(data, tmp_path):
    file = tmp_path / "large.csv"
    file.write_bytes(bytes(20 * 2**20))
    data.set_input_files("#data-file", file)
    message = data.locator(".notice.bad p")
    message.wait_for()
    assert "large.csv has 20 MB" in message.text_content()
