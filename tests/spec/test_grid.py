"""A grid's combinations, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwlt.errors import SpecError
from dwlt.spec import Experiment, load_experiment, narrowed, presets, variants


def experiment(tmp_path: Path, grid: str) -> Experiment:
    config = tmp_path / "grid.toml"
    config.write_text(f'extends = "digits"\nname = "grid"\n[grid]\n{grid}')
    return load_experiment(str(config))


def labels(found: Experiment) -> list[str]:
    return [variant.label for variant in variants(found)]


def test_without_a_grid_there_is_the_experiment_under_both_regimes() -> None:
    assert labels(load_experiment()) == [
        "adversarial, imp/adversarial, digits:5-9, standard",
        "adversarial, imp/adversarial, digits:5-9, adversarial",
    ]


def test_an_empty_grid_is_no_grid(tmp_path: Path) -> None:
    assert labels(experiment(tmp_path, "")) == labels(load_experiment())


def test_lists_are_combined(tmp_path: Path) -> None:
    found = experiment(
        tmp_path,
        'pretrain = ["standard", "fast"]\nprune = "same"\nfractions = [1.0, 0.1]\n'
        'regimes = ["adversarial"]\n',
    )
    assert labels(found) == [
        "standard, imp/standard, digits:5-9, adversarial",
        "standard, imp/standard, digits:5-9 10%, adversarial",
        "fast, imp/fast, digits:5-9, adversarial",
        "fast, imp/fast, digits:5-9 10%, adversarial",
    ]


def test_controls_have_rounds_and_fractions_of_their_own(tmp_path: Path) -> None:
    found = experiment(
        tmp_path,
        'methods = ["random", "imp"]\nfractions = [1.0, 0.1]\nregimes = ["standard"]\n'
        "control_rounds = [6]\ncontrol_fractions = [0.1]\n",
    )
    rows = [(v.experiment.prune.method, v.experiment.downstream.fraction) for v in variants(found)]
    assert rows == [("imp", 1.0), ("imp", 0.1), ("random", 0.1)]
    assert [v.rounds for v in variants(found)] == [None, None, (6,)]
    # The dense network is the tickets' business.
    assert [v.dense for v in variants(found)] == [True, True, False]


def test_what_draws_is_one_search_whatever_the_regimes(tmp_path: Path) -> None:
    found = experiment(
        tmp_path,
        'prune = ["standard", "fast"]\nmethods = ["imp", "random", "shuffled"]\n'
        'regimes = ["standard"]\n',
    )
    rows = [(v.experiment.prune.method, v.experiment.prune.regime) for v in variants(found)]
    # A shuffled control belongs to a search; a random one to none.
    assert rows == [
        ("imp", "standard"),
        ("random", "standard"),
        ("shuffled", "standard"),
        ("imp", "fast"),
        ("shuffled", "fast"),
    ]


def test_tasks_bring_their_own_images_and_training(tmp_path: Path) -> None:
    found = experiment(
        tmp_path,
        'tasks = ["digits:5-7", {task = "digits:8-9", data = {validation = 0.4}, '
        "transfer = {train = {epochs = 3}, adversarial = {lr = 0.5}}}]\n",
    )
    by_label = {v.label: v for v in variants(found)}
    plain = by_label["adversarial, imp/adversarial, digits:5-7, adversarial"].experiment
    own = by_label["adversarial, imp/adversarial, digits:8-9, adversarial"].experiment
    assert (plain.downstream.validation, own.downstream.validation) == (0.2, 0.4)
    assert plain.transfer_spec("adversarial", 0, 0).train.epochs == 15
    train = own.transfer_spec("adversarial", 0, 0).train
    assert (train.epochs, train.lr, train.batch_size) == (3, 0.5, 64)
    assert own.transfer_spec("standard", 0, 0).train.lr == 0.05


def test_a_tasks_attack_is_laid_over_the_configs(tmp_path: Path) -> None:
    found = experiment(
        tmp_path,
        'tasks = [{task = "digits:5-7", transfer = {adversarial = {attack = {eps = "1/16"}}}}]\n'
        "[transfer.adversarial.attack]\nsteps = 3\n",
    )
    attack = variants(found)[1].experiment.transfer_spec("adversarial", 0, 0).train.attack
    assert attack is not None
    assert (attack.eps, attack.steps) == ("1/16", 3)


def test_one_file_is_not_the_weights_of_several_regimes(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="several pre-training regimes"):
        experiment(
            tmp_path, 'pretrain = ["standard", "fast"]\n[pretrain]\nweights = "x.safetensors"\n'
        )


def test_a_fraction_may_train_for_longer(tmp_path: Path) -> None:
    found = experiment(
        tmp_path,
        "fractions = [1.0, {fraction = 0.1, transfer = {standard = {epochs = 150}}}]\n",
    )
    whole, _, tenth, adversarial = (v.experiment for v in variants(found))
    assert (tenth.downstream.fraction, adversarial.downstream.fraction) == (0.1, 0.1)
    epochs = [one.transfer_spec("standard", 0, 0).train.epochs for one in (whole, tenth)]
    assert epochs == [15, 150]
    assert tenth.transfer_spec("adversarial", 0, 0).train.epochs == 15
    # An option narrows it down to the same cells, and a share of its own has no table.
    assert variants(narrowed(found, fractions=0.1)) == variants(found)[2:]
    own = variants(narrowed(found, fractions=0.2))[0].experiment
    assert own.transfer_spec("standard", 0, 0).train.epochs == 15


def test_a_share_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="names a share twice"):
        experiment(tmp_path, "fractions = [0.1, {fraction = 0.1}]\n")


def test_options_narrow_a_grid(tmp_path: Path) -> None:
    grid = (
        'pretrain = ["standard", "fast"]\ntasks = ["digits:5-7", "digits:8-9"]\n'
        'fractions = [1.0, 0.1]\nregimes = ["standard"]\n'
    )
    found = experiment(tmp_path, grid)
    only = narrowed(found, pretrain="fast", tasks="digits:8-9", fractions=0.1)
    assert labels(only) == ["fast, imp/adversarial, digits:8-9 10%, standard"]
    assert labels(narrowed(found, pretrain=None)) == labels(found)


def test_a_narrowed_grid_is_part_of_the_whole() -> None:
    whole = load_experiment("study-digits")
    cells = {(v.label, v.rounds or whole.transfer.rounds, v.dense) for v in variants(whole)}
    for only in (
        {"methods": "random"},
        {"methods": "oneshot"},
        {"fractions": 0.1},
        {"pretrain": "fast", "prune": "fast"},
    ):
        part = variants(narrowed(whole, **only))
        assert part
        assert {(v.label, v.rounds or whole.transfer.rounds, v.dense) for v in part} < cells


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ('methods = ["magic"]\n', "methods"),
        ("fractions = [2.0]\n", "fractions"),
        ('tasks = [{task = "digits:5-7", data = {sise = 8}}]\n', "sise"),
        ('tasks = [{task = "digits:5-7", transfer = {train = {epoch = 8}}}]\n', "epoch"),
        ('colour = ["red"]\n', "colour"),
        ("fractions = [1.0]\ncontrol_fractions = [0.2]\n", "0.2"),
    ],
)
def test_a_mistake_in_a_grid_shows_when_it_is_read(grid: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=words):
        experiment(tmp_path, grid)


@pytest.mark.parametrize("name", presets())
def test_every_preset_has_combinations(name: str) -> None:
    assert variants(load_experiment(name))


def test_replicates_draw_everything_anew_and_the_first_is_the_experiment_itself(
    tmp_path: Path,
) -> None:
    one = variants(experiment(tmp_path, 'regimes = ["standard"]'))
    three = variants(experiment(tmp_path, 'regimes = ["standard"]\nreplicates = 3'))
    assert three[0] == one[0], "the ids of what was run before stay"
    assert [v.label for v in three[1:]] == [
        "adversarial, imp/adversarial, digits:5-9, replicate 2, standard",
        "adversarial, imp/adversarial, digits:5-9, replicate 3, standard",
    ]
    assert [v.experiment.seed for v in three] == [0, 1000, 2000]
    seeds = [(v.experiment.source.subset_seed, v.experiment.downstream.subset_seed) for v in three]
    assert seeds == [(0, 0), (1000, 1000), (2000, 2000)]
    second = three[1].experiment
    assert second.pretrain_spec().seed == second.prune_spec().seed == 1000


def test_replicates_do_not_change_the_task(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"draw 3 other classes of downstream\.task"):
        experiment(tmp_path, "replicates = 2\n[downstream]\nclasses = 3")


def test_a_frontier_needs_both_regimes(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="needs both transfer regimes"):
        experiment(tmp_path, 'strategy = "frontier"\nregimes = ["standard"]')
