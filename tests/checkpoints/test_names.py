"""A network is found behind any prefix and in any wrapper, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dwlt.checkpoints import Choice, choose, entries_of, find_match, lift
from dwlt.checkpoints.entries import Entry
from dwlt.errors import ModelError
from tests.checkpoints.make import MEAN, STD, normaliser, state, under

STATE = state()
PART = st.text("abcdefgl_01", min_size=1, max_size=6)
PREFIX = st.lists(st.one_of(PART, st.sampled_from(["module", "layer1", "conv1"])), max_size=4).map(
    lambda parts: "".join(f"{part}." for part in parts)
)


@given(prefix=PREFIX)
def test_any_prefix_is_found(prefix: str) -> None:
    match = find_match(Entry("", under(prefix, STATE), ()), STATE)
    assert match.prefix == prefix
    assert match.names == {name: prefix + name for name in STATE}


@given(prefix=PREFIX, gone=st.sampled_from([n for n in STATE if "num_batches" not in n]))
def test_a_missing_name_is_the_one_that_is_told(prefix: str, gone: str) -> None:
    part = {name: tensor for name, tensor in STATE.items() if name != gone}
    with pytest.raises(ModelError) as caught:
        find_match(Entry("", under(prefix, part), ()), STATE)
    assert repr(gone) in str(caught.value)


@given(prefix=PREFIX, wrappers=st.lists(PART, max_size=3, unique=True))
def test_any_wrapper_is_opened(prefix: str, wrappers: list[str]) -> None:
    value: object = under(prefix, STATE)
    for wrapper in wrappers:
        value = {wrapper: value, "epoch ": 3}
    match = choose(Path("file"), entries_of(value), STATE, Choice())
    assert match.entry.label == ".".join(reversed(wrappers))
    assert match.entry.beside == ("epoch ",) * len(wrappers)


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1), (1, 3, 1, 1)])
@pytest.mark.parametrize(
    ("parent", "mean", "std"),
    [
        ("normalizer.", "new_mean", "new_std"),
        ("normalize.", "mean", "std"),
        ("", "mu", "sigma"),
        ("0.", "mean", "std"),
        ("normalise.", "mean", "std"),
    ],
)
def test_normalisers_are_lifted(parent: str, mean: str, std: str, shape: tuple[int, ...]) -> None:
    lifted = lift(normaliser(parent, mean, std, shape))
    assert lifted is not None
    assert (lifted.mean, lifted.std) == (MEAN, STD)
    assert lifted.names == (f"{parent}{mean}", f"{parent}{std}")


def test_what_only_looks_like_a_normaliser_is_not() -> None:
    assert lift({"bn.running_mean": torch.ones(3), "bn.running_var": torch.ones(3)}) is None
    assert lift({"mean": torch.ones(3)}) is None
    assert lift({"mean": torch.ones(64), "std": torch.ones(64)}) is None
    for mean, std in [(torch.full((3,), -0.1), torch.ones(3)), (torch.zeros(3), torch.zeros(3))]:
        with pytest.raises(ModelError):
            lift({"mean": mean, "std": std})
