from __future__ import annotations

import os
from pathlib import Path

import pytest

from dwlt.errors import SpecError
from dwlt.spec import TaskSpec, load_experiment, presets, spread, validate_spec


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads(name: str) -> None:
    assert load_experiment(name).name == name


def test_the_default_is_the_digits() -> None:
    experiment = load_experiment()
    assert experiment.source.task == "digits:0-4"
    assert experiment.downstream.task == "digits:5-9"
    assert experiment.pretrain.regime == "adversarial"
    assert experiment.prune_spec().rate == 0.2
    assert experiment.prune_spec().rounds == 20


@pytest.mark.parametrize(
    ("change", "text", "hint"),
    [
        ("prune.rat=0.3", "unknown key 'prune.rat'", "'rate'"),
        ("prune.train.epoch=3", "[prune] under regime adversarial: unknown key 'epoch'", "epochs"),
        ("attack.evaluate.epss='1/2'", "unknown key 'attack.evaluate.epss'", "'eps'"),
        ("attack.evaluate.eps=8", "eps 8 exceeds 1", None),
        ("attack.evaluate.eps=-1", "attack.evaluate.eps", None),
        ("prune.rate=2", "prune.rate: Input should be less than 1 (got 2)", None),
        ("prune.train.epochs=3k", "'3k' is not a number of epochs", None),
        ("pretrain.regime=fasst", "pretrain.regime", None),
        ("seed", "--set 'seed' has no '='", "--set"),
        ("name.x=1", "name.x: 'name' is a value, not a table", None),
        ("transfer.standard.attack.steps=3", "regime 'standard' trains on clean images", None),
        ("prune.train.attack.restarts=2", "restarts and iterate belong to attacks that", None),
        ("prune.train.attack.iterate=any", "restarts and iterate belong to attacks that", None),
        ("attack.evaluate.use_best=true", "use_best is for training", None),
        ("attack.evaluate.mode=train", "scored in eval mode", None),
        (
            "source.task=imagefolder:b\udcff",
            "source.task: 'imagefolder:b\\udcff' is not text",
            "link",
        ),
        ("source.b\udcff=1", "source: 'b\\udcff' is not text in UTF-8", "rename"),
        ("source.classes=['a', 'b\udcff']", "source.classes: 'b\\udcff' is not text", "rename"),
        ("transfer.train.epochs=0", "trains for 0 epochs", None),
        ("transfer.fast.lr=0.1", "transfer.fast is used by nothing", None),
        ("attack.fast.steps=2", "regime 'fast' takes one step", None),
    ],
)
def test_a_wrong_change_is_named(change: str, text: str, hint: str | None) -> None:
    # The fast regime is only resolved when a stage uses it, so let one use it.
    changes = ["prune.regime=fast", change] if "fast." in change else [change]
    with pytest.raises(SpecError) as caught:
        load_experiment(changes=changes)
    assert text in str(caught.value)
    if hint is not None:
        assert caught.value.hint is not None
        assert hint in caught.value.hint


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(SpecError) as caught:
        load_experiment("digts")
    assert caught.value.hint is not None
    assert "'digits'" in caught.value.hint


def test_regimes_are_laid_over_shared_settings() -> None:
    experiment = load_experiment(
        changes=[
            "prune.train.epochs=7",
            "prune.adversarial.lr=0.5",
            "prune.train.attack.steps=3",
            "prune.adversarial.attack.eps='1/16'",
        ]
    )
    train = experiment.prune_spec().train
    assert train is not None
    assert (train.epochs, train.lr) == (7, 0.5)
    assert train.attack is not None
    assert (train.attack.steps, train.attack.eps) == (3, "1/16")
    assert experiment.pretrain_spec().train.attack == experiment.attack.adversarial


def test_the_standard_regime_has_no_attack() -> None:
    assert load_experiment().transfer_spec("standard", 0, 0).train.attack is None


def test_a_config_may_extend_a_preset(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('extends = "digits"\nname = "mine"\n[prune.train]\nepochs = 2\n')
    experiment = load_experiment(str(config))
    assert experiment.name == "mine"
    train, default = experiment.prune_spec().train, load_experiment().prune_spec().train
    assert train is not None
    assert default is not None
    assert train.epochs == 2
    assert train.lr == default.lr


def test_a_config_that_extends_itself_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "loop.toml"
    config.write_text(f'extends = "{config}"\n')
    with pytest.raises(SpecError, match="extends itself"):
        load_experiment(str(config))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_extends_counts_from_the_file_that_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "configs/base.toml", 'extends = "digits"\nseed = 7\n')
    write(tmp_path / "configs/more/mid.toml", 'extends = "../base.toml"\nname = "mid"\n')
    top = write(tmp_path / "top.toml", 'extends = "configs/more/mid.toml"\n')
    # One of the same name in the working directory is not meant.
    elsewhere = write(tmp_path / "elsewhere/base.toml", 'extends = "digits"\nseed = 9\n').parent
    monkeypatch.chdir(elsewhere)
    for config in (top, Path("../top.toml")):
        found = load_experiment(str(config))
        assert (found.name, found.seed) == ("mid", 7)


def test_a_base_that_lies_in_the_working_directory_alone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = write(tmp_path / "configs/top.toml", 'extends = "base.toml"\n')
    write(tmp_path / "base.toml", 'extends = "digits"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"there is no .*configs/base\.toml") as caught:
        load_experiment(str(top))
    assert caught.value.hint is not None
    assert f"extends = '{tmp_path}/base.toml'" in caught.value.hint


def test_configs_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.toml", 'extends = "sub/../b.toml"\n')
    (tmp_path / "sub").mkdir()
    write(tmp_path / "b.toml", 'extends = "a.toml"\n')
    with pytest.raises(SpecError, match="extends itself"):
        load_experiment(str(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = ["digits"]\n', "not the name of one preset or file"),
        ('extends = "digts"\n', "extends 'digts', but there is no"),
    ],
)
def test_what_cannot_be_extended_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=message):
        load_experiment(str(write(tmp_path / "mine.toml", text)))


def test_configs_of_other_editors_and_shells_are_read(tmp_path: Path) -> None:
    marked = tmp_path / "marked.toml"
    marked.write_bytes(b'\xef\xbb\xbfextends = "digits"\nname = "marked"\n')
    assert load_experiment(str(marked)).name == "marked"
    # As a shell's <(...) does it.
    reader, writer = os.pipe()
    os.write(writer, b'extends = "digits"\nname = "piped"\n')
    os.close(writer)
    assert load_experiment(f"/dev/fd/{reader}").name == "piped"
    os.close(reader)
    with pytest.raises(SpecError, match="is a folder"):
        load_experiment(str(tmp_path))


def test_broken_and_missing_files_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("name = \n")
    with pytest.raises(SpecError, match=r"broken\.toml is not valid TOML"):
        load_experiment(str(broken))
    with pytest.raises(SpecError, match="does not exist"):
        load_experiment(str(tmp_path / "absent.toml"))


def test_spread_always_has_the_ends() -> None:
    assert spread(20) == (0, 3, 6, 10, 15, 20)
    assert spread(4) == (0, 3, 4)
    assert spread(1) == (0, 1)


def test_validate_spec_explains_too() -> None:
    with pytest.raises(SpecError, match="here: 'task' is missing"):
        validate_spec(TaskSpec, {}, "here")
