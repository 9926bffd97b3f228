"""Each criterion's formula on networks small enough to work out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from dwlt.criteria import CRITERIA
from tests.criteria.make import INPUTS, TARGETS, Line, TwoLayers, given

BATCH = [(INPUTS, TARGETS)]
SINGLE = [(INPUTS[:1], TARGETS[:1]), (INPUTS[1:], TARGETS[1:])]
# W x is (-3, 8.5) and (5, -2.5), so y is -17.5 and 17.5, and y - target -18.5 and 17.5.
ERRORS = (-18.5, 17.5)


def score(name: str, *arguments: object, **options: object) -> dict[str, Tensor]:
    scores = CRITERIA.get(name).score(given(*arguments, **options))  # type: ignore[arg-type]
    return {key: one.detach() for key, one in scores.items()}


def close(found: Tensor, expected: object) -> None:
    torch.testing.assert_close(found.double(), torch.as_tensor(expected, dtype=torch.float64))


def gradients() -> tuple[Tensor, Tensor]:
    """Of the mean loss at W (2x2) and v (1x2): mean of e v x' and of e (W x)'."""
    v = torch.tensor([3.0, -1.0])
    first = ERRORS[0] * torch.outer(v, INPUTS[0]) + ERRORS[1] * torch.outer(v, INPUTS[1])
    second = ERRORS[0] * torch.tensor([[-3.0, 8.5]]) + ERRORS[1] * torch.tensor([[5.0, -2.5]])
    return first / 2, second / 2


def test_magnitude_is_the_weight_without_its_sign() -> None:
    found = score("magnitude", TwoLayers(), BATCH)
    close(found["first.weight"], [[1, 2], [0.5, 4]])
    close(found["second.weight"], [[3, 1]])


def test_lamp_divides_by_what_is_no_smaller() -> None:
    found = score("lamp", TwoLayers(), BATCH)
    # Of 16, 4, 1 and 0.25: 16/16, 4/20, 1/21, 0.25/21.25.
    close(found["first.weight"], [[1 / 21, 4 / 20], [0.25 / 21.25, 1]])
    close(found["second.weight"], [[1, 1 / 10]])


def test_lamp_does_not_count_what_is_removed() -> None:
    masks = {
        "first.weight": torch.tensor([[True, True], [True, False]]),
        "second.weight": torch.tensor([[True, True]]),
    }
    found = score("lamp", TwoLayers(), BATCH, masks=masks)
    close(found["first.weight"], [[1 / 5, 1], [0.25 / 5.25, 0]])


def test_snip_is_weight_times_gradient_of_all_images_together() -> None:
    first, second = gradients()
    close(first, [[51.0, -81.75], [-17.0, 27.25]])
    for batches in (BATCH, SINGLE):
        found = score("snip", TwoLayers(), batches)
        close(found["first.weight"], [[51.0, 163.5], [8.5, 109.0]])
        close(found["second.weight"], (torch.tensor([[3.0, -1.0]]) * second).abs())


def test_taylor_squares_within_each_batch() -> None:
    one = score("taylor", TwoLayers(), BATCH)
    close(one["first.weight"], [[51.0**2, 163.5**2], [8.5**2, 109.0**2]])
    # Apart: the gradient at the first weight is e v1 x1 = -55.5 and 157.5.
    apart = score("taylor", TwoLayers(), SINGLE)
    close(apart["first.weight"][0, 0], (55.5**2 + 157.5**2) / 2)


def test_grasp_of_a_quadratic_loss() -> None:
    # Loss (w x - t)^2 / 2 of one image: g = e x, H = x x', w (H g) = w x (x'x) e elementwise.
    x, target = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([1.0])
    found = score("grasp", Line([2.0, 1.0, 3.0]), [(x, target)])
    error = 2 + 2 - 3 - 1
    assert error == 0
    close(found["line.weight"], [[0, 0, 0]])
    found = score("grasp", Line([2.0, 1.0, 1.0]), [(x, target)])
    # e = 2, x'x = 6.
    close(found["line.weight"], [[2 * 1 * 12, 1 * 2 * 12, 1 * -1 * 12]])


def test_grasp_adds_up_batches_of_any_size() -> None:
    torch.manual_seed(0)
    x, target = torch.randn(5, 2), torch.randn(5)
    whole = score("grasp", TwoLayers(), [(x, target)])
    parts = score("grasp", TwoLayers(), [(x[:3], target[:3]), (x[3:], target[3:])])
    for name, one in whole.items():
        torch.testing.assert_close(parts[name], one)


def test_synflow_is_the_flow_through_each_weight() -> None:
    found = score("synflow", TwoLayers(), [])
    # R = 1' |v| |W| 1: through W_ij flows |v_i| |W_ij|, through v_i flows |v_i| sum_j |W_ij|.
    close(found["first.weight"], [[3, 6], [0.5, 4]])
    close(found["second.weight"], [[9, 4.5]])
    assert found["first.weight"].dtype == torch.float64
    # What flows into a unit flows out of it (the paper's conservation law).
    close(found["first.weight"].sum(1), found["second.weight"][0])


def test_synflow_leaves_the_network_as_it_is_and_needs_no_means() -> None:
    norm = nn.BatchNorm1d(2)
    norm.running_mean = torch.tensor([100.0, -100.0])
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False), norm, nn.ReLU())
    before = {name: one.clone() for name, one in network.state_dict().items()}
    found = score("synflow", network, [])
    assert bool((found["1.weight"] > 0).all())
    assert all(torch.equal(before[name], one) for name, one in network.state_dict().items())


def test_random_scores_are_those_of_seed_and_name() -> None:
    one, again = (score("random", TwoLayers(), BATCH) for _ in range(2))
    other = score("random", TwoLayers(), BATCH, seed=8)
    for name, values in one.items():
        assert torch.equal(values, again[name])
        assert not torch.equal(values, other[name])
        assert bool(((values >= 0) & (values < 1)).all())


def test_hydra_begins_with_magnitudes_and_gradients_pass_the_selection() -> None:
    from dwlt.criteria.hydra import ScoredNetwork

    model = Line([2.0, -4.0, 1.0])
    x, target = torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([1.0])
    seen = []

    def fit(module: nn.Module) -> None:
        assert isinstance(module, ScoredNetwork)
        (scores,) = module.scores
        close(scores.detach(), math.sqrt(6 / 3) * torch.tensor([[0.5, -1.0, 0.25]]))
        assert [name for name, one in module.named_parameters() if one.requires_grad] == [
            "scores.0"
        ]
        output = module(x)
        # The two largest scores' weights alone: 2 - 4.
        close(output.detach(), [[-2.0]])
        loss = 0.5 * (output.flatten() - target).square().sum()
        (gradient,) = torch.autograd.grad(loss, [scores])
        # e w x sign(s), also where the weight is not selected: e = -3.
        close(gradient, [[-3 * 2 * 1, -3 * -4 * -1, -3 * 1 * 1]])
        with torch.no_grad():
            scores.sub_(gradient)
        close(module(x).detach(), [[-4 + 2.0]] if scores[0, 2].abs() < scores[0, 0].abs() else 0)
        seen.append(scores.detach().abs().clone())

    found = score("hydra", model, [(x, target)], keep=2, fit=fit)
    assert torch.equal(found["line.weight"], seen[0])
    close(model.line.weight.detach(), [[2.0, -4.0, 1.0]])
    assert model.line.weight.requires_grad


@pytest.mark.parametrize("name", CRITERIA.own)
def test_every_criterion_gives_a_finite_score_for_each_weight(name: str) -> None:
    torch.manual_seed(1)
    model = TwoLayers()
    scores = score(name, model, BATCH, fit=lambda module: None)
    weights = dict(model.named_parameters())
    assert {key: one.shape for key, one in scores.items()} == {
        key: one.shape for key, one in weights.items()
    }
    assert all(bool(one.isfinite().all()) for one in scores.values())


def test_hydra_selects_anew_after_a_step_of_the_loops_optimiser() -> None:
    """Fused SGD changes parameters without counting up their versions."""
    from dwlt.criteria.hydra import ScoredNetwork

    network = ScoredNetwork(given(Line([2.0, -4.0, 1.0]), [], keep=1))
    (scores,) = network.scores
    x = torch.tensor([[1.0, 10.0, 100.0]])
    close(network(x).detach(), [[-40.0]])
    scores.grad = torch.tensor([[0.0, 0.0, -100.0]])
    torch.optim.SGD([scores], lr=1.0, fused=True).step()
    close(network(x).detach(), [[100.0]])
