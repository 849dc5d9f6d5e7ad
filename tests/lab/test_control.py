"""What the lab may speak to: this machine, and the emulator on it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from lab.control import Control, require_loopback
from lab.errors import LabError, WrongUse


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4566", "http://127.9.9.9", "http://localhost:1", "http://[::1]:80", "https://127.0.0.1"]
)
def test_this_machine_is_taken(url: str) -> None:
    assert require_loopback(url, "AWS_ENDPOINT_URL") == url


@pytest.mark.parametrize(
    "url",
    [
        "https://ec2.eu-west-2.amazonaws.com",
        "http://192.168.1.7:4566",
        "http://127.0.0.1.example.invalid",
        "http://127.0.0.1@example.invalid/",
        "http://localhost.example.invalid",
        "http://0.0.0.0:4566",
        "http://[::ffff:10.0.0.1]:1",
        "127.0.0.1:4566",
        "",
    ],
)
def test_everything_else_is_refused_with_what_to_do(url: str) -> None:
    with pytest.raises(WrongUse) as caught:
        require_loopback(url, "AWS_ENDPOINT_URL")
    assert f"AWS_ENDPOINT_URL is {url!r}; allowed in the lab" in str(caught.value)
    assert "unset AWS_ENDPOINT_URL" in caught.value.remedy


def test_another_endpoint_is_refused_before_any_request() -> None:
    with pytest.raises(WrongUse):
        Control("https://ec2.eu-west-2.amazonaws.com")


@pytest.fixture
def stranger() -> Iterator[str]:
    """A server that isn't the emulator, and answers JSON."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"status": "up"}' if self.path.endswith("health") else b"hello"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_something_else_that_answers_there_is_told_apart(stranger: str) -> None:
    with pytest.raises(LabError, match="is not the lab's emulator"):
        Control(stranger).health()
    with pytest.raises(LabError, match="doesn't answer"):
        Control(stranger).unhealthy_images()


def test_nobody_there_is_one_error_even_with_a_proxy_set(monkeypatch: pytest.MonkeyPatch, stranger: str) -> None:
    monkeypatch.setenv("http_proxy", stranger)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(LabError, match="doesn't answer") as caught:
        Control("http://127.0.0.1:9").health()
    assert caught.value.remedy == "eps-dos lab start"
