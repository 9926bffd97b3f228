"""Words that tell parts: where they may stand, and what only looks like one."""

from __future__ import annotations

import pytest

from dwlt.data.parts import before, hinted, rest, told


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("TRAIN", "train"),
        ("training_images", "train"),
        ("x-train", "train"),
        ("partial-train", "train"),
        ("train2017", "train"),
        ("2017.train.v3", "train"),
        ("MyTrainSet", "train"),
        ("trainset", "train"),
        ("digits_trn", "train"),
        ("tst-0", "test"),
        ("trainval", "train"),
        ("élan_train", "train"),
        ("e\N{COMBINING ACUTE ACCENT}train", None),
        ("x_test.v2", "test"),
        ("IMDBTest", "test"),
        ("test-00000-of-00001", "test"),
        ("0_eval", "test"),
        ("validation", "validation"),
        ("my.valid", "validation"),
        ("ILSVRC2012_val_00000293", "validation"),
        ("(dev)", "validation"),
        ("latest", None),
        ("contest", None),
        ("mytest", None),
        ("constraint", None),
        ("valley", None),
        ("device", None),
        ("0000", None),
        ("", None),
    ],
)
def test_a_part_is_told_by_a_word_of_its_own(name: str, part: str | None) -> None:
    assert told(name) == (frozenset() if part is None else {part})


def test_two_parts_in_one_name_are_both_told() -> None:
    assert told("train-test") == {"train", "test"}
    assert told("val_from_train") == {"validation", "train"}


def test_what_is_left_of_a_name() -> None:
    assert rest("val2017") == ()
    assert rest("Bullet-Train") == ("bullet",)
    assert before("digits-train-small") == ("digits",)
    assert before("0000-train") == ()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("mytest", {"test"}),
        ("traindata2x", set()),
        ("xtrain", {"train"}),
        ("myvalid", {"validation"}),
        ("latest", set()),
        ("constraint", set()),
        ("pretrained", set()),
        ("invalid", set()),
        ("shortest", set()),
    ],
)
def test_words_inside_words_are_hints(name: str, parts: set[str]) -> None:
    assert hinted(name) - told(name) == parts
