"""Checkpoints of the Hugging Face hub: ``hub:ORG/NAME[@REVISION]``, pinned to a commit."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dwlt.errors import UserError
from dwlt.runs import layout

HUB = "hub:"
_NAMED = re.compile(r"hub:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_ENDS = ("*.safetensors", "pytorch_model.bin", "*.pth", "*.pt", "*.bin", "*.ckpt")
"""Kinds of checkpoint files, those that run no code first."""


@dataclass(frozen=True)
class Fetched:
    """A checkpoint that lies in the hub's cache on this machine.

    Attributes:
        path: of the file, or of the index of several.
        repository: ORG/NAME.
        commit: the 40 digits that the revision stood for.
    """

    path: Path
    repository: str
    commit: str

    @property
    def name(self) -> str:
        """As it can be asked for again, to the byte."""
        return f"{HUB}{self.repository}@{self.commit}"


def fetch(text: str) -> Fetched:
    """Download the checkpoint of a repository, or find it in the cache.

    A revision is a branch, a tag or a commit; it is asked first which commit it stands for, so that
    all files are of one commit. ``HF_ENDPOINT``, ``HF_HUB_CACHE`` and ``HF_TOKEN`` are heeded.

    Raises:
        UserError: the name is misspelt, huggingface_hub is not installed, there is no such
            repository or revision, it cannot be reached, or it holds no checkpoint or several.
    """
    named = _NAMED.fullmatch(text)
    if named is None:
        raise UserError(
            f"{text!r} names no repository", hint="write hub:ORG/NAME or with @REVISION"
        )
    repository, revision = named[1], named[2]
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError as error:
        raise UserError(
            "huggingface_hub is not installed", hint="pip install 'dwlt[hub]'"
        ) from error
    endpoint = os.environ.get("HF_ENDPOINT")
    try:
        info: Any = HfApi(endpoint=endpoint).model_info(repository, revision=revision)
        files = _checkpoint(text, [one.rfilename for one in info.siblings or ()])
        cache = os.environ.get("HF_HUB_CACHE")
        # All of one commit, so they lie in one folder of the cache.
        paths = [
            Path(
                hf_hub_download(
                    repository, name, revision=info.sha, endpoint=endpoint, cache_dir=cache
                )
            )
            for name in files
        ]
    except UserError:
        raise
    except Exception as error:  # its own classes, and those of the HTTP library below it
        raise UserError(
            f"{text} cannot be had: {_reason(error)}",
            hint="check the name and the revision; of a gated repository, HF_TOKEN gives access",
        ) from error
    return Fetched(paths[0], repository, info.sha)


def _checkpoint(text: str, names: list[str]) -> list[str]:
    """The files to download; the one to open comes first."""
    top = [name for name in names if "/" not in name and name != layout.MASK]
    index = [name for name in top if name.endswith(".safetensors.index.json")]
    if len(index) == 1:
        return [index[0], *(name for name in top if name.endswith(".safetensors"))]
    for pattern in ("model.safetensors", *_ENDS):
        found = [name for name in top if fnmatchcase(name, pattern)]
        if len(found) == 1:
            return found
        if found:
            raise UserError(
                f"{text} holds several checkpoints: {', '.join(sorted(found)[:5])}",
                hint="download the one that you mean and name the file",
            )
    raise UserError(f"{text} holds no checkpoint", hint="name another repository or revision")


def _reason(error: Exception) -> str:
    line = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line.strip()}" if line else type(error).__name__
