"""The probe measures for how long nobody answered."""

import http.server
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

PROBE = Path(__file__).parents[2] / "deploy/files/probe.py"


class _Page(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def test_a_second_of_errors_is_a_gap_of_a_second(tmp_path: Path) -> None:
    class Page(_Page):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    result = tmp_path / "result.json"
    url = f"http://matrix.nord.example:{server.server_address[1]}/_matrix/client/versions"
    probe = subprocess.Popen([sys.executable, PROBE, url, result, "--connect", "127.0.0.1"])
    try:
        time.sleep(1.5)
        Page.status = 502
        time.sleep(1.2)
        Page.status = 404
        time.sleep(1)
    finally:
        probe.terminate()
        probe.wait(timeout=10)
        server.shutdown()
        server.server_close()
    found = json.loads(result.read_text())
    assert 0.8 < found["longest_gap_seconds"] < 3
    assert 0 < found["unanswered"] < found["questions"]


def test_a_server_that_never_comes_back_is_a_gap_too(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    probe = subprocess.Popen([sys.executable, PROBE, "http://127.0.0.1:9/", result])
    time.sleep(1.5)
    probe.terminate()
    probe.wait(timeout=10)
    assert json.loads(result.read_text())["longest_gap_seconds"] > 0.3
