"""Who may ask, how much and how often: on the wire of the real server."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from egem.apps.web.guard import Limits
from serving import PATIENCE, serving

TOKEN = "correct horse battery staple"
PAGE = "/api/state"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("guarded"), token=TOKEN) as address:
        yield address


def sent(address, path=PAGE, method="GET", **headers):
    """Send headers as they are."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, address + path, headers=names, timeout=PATIENCE)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.nip.io:80", "evil.example#127.0.0.1", "", "0.0.0.0"]
)
def test_another_name_for_this_machine_is_refused(served, host):
    answer = sent(served, host=host)
    assert answer.status_code in (400, 403)
    if host:
        assert host[:12] in answer.json()["error"]["problem"]
    assert sent(served, path="/", host=host).status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8765"])
def test_this_machine_s_own_names_are_fine(served, host):
    assert sent(served, host=host).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_what_other_pages_send_is_refused(served, headers):
    answer = sent(served, "/api/undo", "POST", **headers)
    assert answer.status_code == 403 and "another page" in answer.json()["error"]["problem"]


def test_what_this_page_sends_is_let_through(served):
    answer = sent(served, "/api/undo", "POST", origin=served, sec_fetch_site="same-origin")
    assert answer.status_code == 409  # there is nothing to undo


def test_sockets_of_other_pages_and_names_are_refused(served):
    line = served.replace("http", "ws") + "/api/live"
    with connect(line, origin=served, open_timeout=PATIENCE) as socket:
        socket.send("{}")
        assert "error" in json.loads(socket.recv())
    with pytest.raises(InvalidStatus, match="403"), connect(line, origin="http://evil.example"):
        pass
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    key = {"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert sent(served, "/api/live", host="evil.example", **upgrade, **key).status_code == 403


@pytest.mark.parametrize("path", [PAGE, "/", "/static/css/none.css", "/openapi.json"])
def test_every_answer_has_its_headers(served, path):
    headers = sent(served, path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "access-control-allow-origin" not in headers


def test_other_origins_are_not_allowed_by_asking_first(served):
    answer = sent(
        served, PAGE, "OPTIONS", origin="http://evil.example", access_control_request_method="POST"
    )
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_cookie_is_strict_and_out_of_reach_of_scripts(served):
    cookie = sent(served).headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()


def test_opening_the_page_gives_no_workspace_away(served):
    assert "set-cookie" not in sent(served, "/").headers


@pytest.mark.parametrize("cookie", ["egem=../../../etc/passwd", "egem=", "egem=short", "egem"])
def test_a_made_up_id_is_replaced(served, cookie):
    assert "egem=" in sent(served, cookie=cookie).headers["set-cookie"]


def test_without_the_token_the_api_stays_shut(guarded):
    for path in (PAGE, "/openapi.json", "/api/model"):
        answer = sent(guarded, path)
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]["problem"]
    assert sent(guarded, PAGE, authorization="Bearer wrong").status_code == 401
    assert sent(guarded, PAGE, cookie="egem-token=wrong").status_code == 401
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(guarded.replace("http", "ws") + "/api/live"),
    ):
        pass


def test_the_page_itself_says_what_is_missing(guarded):
    assert sent(guarded, "/").status_code == 200


def test_the_token_in_the_address_opens_it(guarded):
    with httpx.Client(base_url=guarded, follow_redirects=False) as client:
        wrong = client.get("/", params={"token": "wrong"})
        assert wrong.status_code == 303 and "set-cookie" not in wrong.headers
        right = client.get("/", params={"token": TOKEN})
        assert right.status_code == 303 and right.headers["location"] == "/"
        assert client.get(PAGE).status_code == 200
    assert sent(guarded, PAGE, authorization=f"Bearer {TOKEN}").status_code == 200


def test_with_a_token_any_name_will_do_but_no_other_page(guarded):
    held = {"authorization": f"Bearer {TOKEN}", "host": "my.machine:80"}
    assert sent(guarded, **held).status_code == 200
    answer = sent(guarded, "/api/undo", "POST", origin="http://evil.example", **held)
    assert answer.status_code == 403


def test_who_asks_too_often_has_to_wait(tmp_path):
    with serving(tmp_path, limits=Limits(rate=0.001, burst=5)) as address:
        answers = [sent(address) for _ in range(8)]
    assert [a.status_code for a in answers[:5]] == [200] * 5
    last = answers[-1]
    assert last.status_code == 429 and "often" in last.json()["error"]["remedy"]


def test_bodies_are_counted_as_they_come(served):
    """A body without an announced length ends where it is too long."""

    def endless():
        while True:
            yield b"[" * 65536

    try:
        status = httpx.post(f"{served}/api/train", content=endless(), timeout=PATIENCE).status_code
    except httpx.WriteError:  # the server has hung up on what is still coming
        status = 413
    assert status == 413
    assert sent(served).status_code == 200


@pytest.mark.parametrize("length", ["-1", "1e9", "99999999999"])
def test_announced_lengths_are_believed_only_so_far(served, length):
    where = urlsplit(served)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as line:
        head = (
            f"POST /api/train HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {length}\r\n\r\n"
        )
        line.sendall(head.encode())
        status = int(line.recv(1000).split()[1])
    assert status in (400, 413)
