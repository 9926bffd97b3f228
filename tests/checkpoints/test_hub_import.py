"""``dwlt import hub:ORG/NAME``, from a small server that speaks what huggingface_hub asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import save

from dwlt.checkpoints.hub import fetch
from dwlt.cli.root import run
from dwlt.errors import UserError
from dwlt.models import build_model, state_of
from dwlt.models.files import read_model
from dwlt.spec import ModelSpec

pytest.importorskip("huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def weights() -> dict[str, torch.Tensor]:
    model = build_model(
        ModelSpec(name="resnet8", width=4),
        num_classes=3,
        channels=1,
        image_size=8,
        mean=[0.4],
        std=[0.3],
        seed=0,
    )
    return {n: t for n, t in state_of(model).items() if not n.startswith("normalise")}


@pytest.fixture(scope="module")
def hub() -> Iterator[dict[str, bytes]]:
    """Files of the one repository, org/net: revisions are "main", "v1" and the commit."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            content, code, extra = b"{}", 404, {"X-Error-Code": "RepoNotFound"}
            if path.startswith("/api/models/org/net"):
                revision = path.partition("/revision/")[2] or "main"
                if revision in ("main", "v1", COMMIT):
                    siblings = [{"rfilename": name} for name in files]
                    said = {"id": "org/net", "sha": COMMIT, "siblings": siblings}
                    content, code, extra = json.dumps(said).encode(), 200, {}
                else:
                    extra = {"X-Error-Code": "RevisionNotFound"}
            elif path.startswith(f"/org/net/resolve/{COMMIT}/"):
                content, code = files[path.rpartition("/")[2]], 200
                digest = hashlib.sha256(content).hexdigest()
                extra = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT}
            self.send_response(code)
            for key, value in {**extra, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield files
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))


def test_a_repository_becomes_a_model_file(
    hub: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.clear()
    hub.update(
        {"model.safetensors": save(weights()), "README.md": b"# net", "mask.safetensors": b"x"}
    )
    out = tmp_path / "out.safetensors"
    words = ["import", "hub:org/net@v1", "--model", "resnet8", "--set", "model.width=4"]
    words += ["--mean", "0.4", "--std", "0.3", "-o", str(out), "--json", "--size", "8"]
    assert run(words) == 0, capfd.readouterr().err
    said = json.loads(capfd.readouterr().out)
    assert said["hub"] == f"hub:org/net@{COMMIT}"
    model, _ = read_model(out)
    for name, tensor in weights().items():
        assert torch.equal(state_of(model)[name], tensor)


def test_the_index_brings_its_shards(hub: dict[str, bytes]) -> None:
    hub.clear()
    state = weights()
    first = dict(list(state.items())[:3])
    rest = {name: one for name, one in state.items() if name not in first}
    index = "model.safetensors.index.json"
    places = {name: "a.safetensors" if name in first else "b.safetensors" for name in state}
    hub.update({"a.safetensors": save(first), "b.safetensors": save(rest)})
    hub[index] = json.dumps({"weight_map": places}).encode()
    found = fetch("hub:org/net")
    assert found.path.name == index
    assert (found.path.parent / "b.safetensors").read_bytes() == hub["b.safetensors"]
    assert found.name == f"hub:org/net@{COMMIT}"


def test_what_cannot_be_had_is_named(hub: dict[str, bytes]) -> None:
    hub.clear()
    hub.update({"a.pth": b"1", "b.pth": b"2"})
    for text, said in (
        ("hub:org", "names no repository"),
        ("hub:org/other", "hub:org/other cannot be had: RepositoryNotFound"),
        ("hub:org/net@v9", "hub:org/net@v9 cannot be had: RevisionNotFound"),
        ("hub:org/net", r"holds several checkpoints: a\.pth, b\.pth"),
    ):
        with pytest.raises(UserError, match=said):
            fetch(text)
    hub.clear()
    with pytest.raises(UserError, match="holds no checkpoint"):
        fetch("hub:org/net")
