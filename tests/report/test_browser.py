"""The page in a real browser: it shows its table and asks the network for nothing."""

from __future__ import annotations

import html
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dwlt.masks.overlaps import mask_overlaps
from dwlt.report import ReportPaths, assess, collect
from dwlt.report.page import SECTIONS, anchor, render
from dwlt.report.pictures import gallery
from tests.report.everything import make_everything
from tests.report.make import PAPER, Maker

BROWSER = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the PATH"
)


class Listener(socketserver.ThreadingTCPServer):
    """Takes every connection, keeps the first bytes, answers nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Keep)
        self.heard: list[bytes] = []


class Keep(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Listener)
        self.request.settimeout(2)
        try:
            self.server.heard.append(self.request.recv(4096))
        except OSError:
            self.server.heard.append(b"")


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def browse(page: Path, profile: Path, *arguments: str, port: int = 9) -> str:
    """Open a page with every host name of the internet mapped to a port of this machine."""
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-features=NetworkTimeServiceQuerying",
            "--disable-extensions",
            "--disable-dev-shm-usage",
            "--virtual-time-budget=2000",
            f"--host-resolver-rules=MAP * 127.0.0.1:{port}",
            f"--user-data-dir={profile}",
            *arguments,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.fixture
def page(written: ReportPaths) -> Path:
    return written.page


def test_the_page_shows_its_table_and_loads_nothing(page: Path, tmp_path: Path) -> None:
    with listening() as server:
        port = server.server_address[1]
        shown = browse(page, tmp_path / "profile", "--dump-dom", port=port)
        # What the browser asks its maker for by itself, whatever is open.
        own = (b"clients2.google.com", b"/time/1/current")
        heard = [
            line for line in server.heard if b"GET" in line and not any(o in line for o in own)
        ]
    assert "the extreme sparsity" in shown
    assert "94.00 ± 1.00" in shown
    assert shown.count("<svg") == 4
    assert heard == []


def test_the_listener_would_hear_a_request(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<!doctype html><img src="http://dwlt-outside.example/x.png">')
    with listening() as server:
        browse(page, tmp_path / "profile", "--dump-dom", port=server.server_address[1])
        assert any(b"GET /x.png" in line for line in server.heard)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section."""
    root = tmp_path_factory.mktemp("whole") / "runs"
    root.mkdir()
    make_everything(Maker(root))
    data = collect(root)
    path = root.parent / "whole.html"
    report = assess(data, mask_overlaps(root, data), PAPER)
    path.write_text(render(report, gallery(root, report)), encoding="utf-8")
    return path


SHOWN = {
    "headline": "Verified",
    "verified": "AutoAttack",
    "frontier": "locate 0, 6; confirm 0, 6",
    "efficiency": "73.80% sparsity",
    "controls": "layerwise-random",
    "verdicts": "double-win",
    "pictures": "dog ✗, not cat",
    "training": "SA (blue) and RA (orange) on validation",
    "variance": "10.00 (100%)",
    "masks": "× chance",
    "notices": "square-stronger",
    "pretrain": "seed 0",
    "evaluations": "masks k.safetensors",
    "reproduce": "dwlt runs verify",
}
"""Something that each section shows of its own results."""

PROBE = """<script>addEventListener('load', () => {
  const told = [...document.querySelectorAll('main > div')].map(part => {
    const box = part.getBoundingClientRect();
    return [part.id, Math.round(box.height), box.width > 0, part.innerText].join('\\t');
  });
  document.body.textContent = told.join('\\f');
})</script>"""


def scripted(page: Path, folder: Path, probe: str) -> Path:
    """A copy of a page, all unfolded, with a script that the page's own policy would refuse."""
    text = page.read_text(encoding="utf-8").replace("<details>", "<details open>")
    start = text.index('<meta http-equiv="Content-Security-Policy"')
    text = text[:start] + text[text.index(">", start) + 1 :]
    copy = folder / "copy.html"
    copy.write_text(text.replace("</body>", f"{probe}</body>"), encoding="utf-8")
    return copy


def test_every_section_is_laid_out_with_its_results(whole: Path, tmp_path: Path) -> None:
    assert set(SHOWN) == set(SECTIONS)
    dom = browse(scripted(whole, tmp_path, PROBE), tmp_path / "profile", "--dump-dom")
    body = html.unescape(dom[dom.index("<body>") + 6 : dom.index("</body>")])
    parts = [part.split("\t", 3) for part in body.split("\f")]
    found = {name: (int(height), visible, text) for name, height, visible, text in parts}
    for name, title in SECTIONS.items():
        height, visible, text = found[anchor(title)]
        assert SHOWN[name] in text, name
        assert (height > 100, visible) == (True, "true"), name


@pytest.mark.parametrize("kind", ["page", "whole"])
def test_on_a_narrow_screen_only_the_tables_scroll(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The page itself is no wider than the window; and a script finds nothing that was loaded."""
    path: Path = request.getfixturevalue(kind)
    probe = (
        "<script>addEventListener('load', () => { document.title = ["
        "document.documentElement.scrollWidth, innerWidth,"
        "performance.getEntriesByType('resource').length].join(' '); })</script>"
    )
    shown = browse(
        scripted(path, tmp_path, probe), tmp_path / "profile", "--window-size=500,900", "--dump-dom"
    )
    title = shown[shown.index("<title>") + 7 : shown.index("</title>")]
    width, window, loaded = map(int, title.split())
    assert width <= window
    assert loaded == 0


def test_a_picture_can_be_taken(page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(page, tmp_path / "profile", "--window-size=1280,2000", f"--screenshot={picture}")
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    # A blank page of this size is some 10 kB.
    assert len(content) > 50_000
