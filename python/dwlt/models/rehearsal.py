"""A dry run of everything that a network will be asked for, on two images, before any work.

A network may take one batch and fail hours later: in training mode, under an attack, when its
state is written or read back. So one small batch goes the whole way first. Nothing of it stays:
it happens on a copy, and all random generators are afterwards as they were.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor

from dwlt.errors import ModelError
from dwlt.models.blueprint import Blueprint
from dwlt.models.build import build_model
from dwlt.models.files import digest_of, model_bytes
from dwlt.models.fits import require_shape
from dwlt.models.guest import global_state_kept, guest
from dwlt.models.layers import automatic_choice, prunable
from dwlt.models.model import Model, load_state, state_of
from dwlt.models.one_batch import statistics_of_one_batch
from dwlt.models.seeded import seeded
from dwlt.models.tensors import require_kept, require_prunable
from dwlt.spec import LayerChoice, ModelSpec

_TRIES = 8
"""Training steps before a weight counts as never reached: some networks skip layers at random."""

_TRAIN, _EVALUATE = " in training mode", " in evaluation mode"


def rehearse(
    model: Model,
    spec: ModelSpec,
    *,
    channels: int,
    image_size: int,
    device: torch.device | str = "cpu",
    to_train: bool = True,
    layers: LayerChoice | None = None,
) -> tuple[str, ...]:
    """Make sure that dwlt can train, attack, prune, save and rebuild a network.

    Args:
        model: as it was built or read, on the CPU. It stays as it is.
        spec: how to build it.
        channels: of the task's images, 1 or 3.
        image_size: their height and width, in pixels.
        device: where the work will be done.
        to_train: what fails in training, attack or pruning is an error; else it is told, and only
            what an evaluation needs must work.
        layers: what is to be pruned; None: what would be if nobody said.

    Returns:
        What the user should know: parameters that do not train, or why nothing can be trained.

    Raises:
        ModelError: naming the network, the part that fails, and why.
    """
    with global_state_kept():
        layers = layers or automatic_choice(model)
        work = _Rehearsal(model, spec, channels, image_size, torch.device(device), layers)
        return work.run(to_train)


class _Rehearsal:
    def __init__(
        self,
        model: Model,
        spec: ModelSpec,
        channels: int,
        image_size: int,
        device: torch.device,
        layers: LayerChoice,
    ) -> None:
        self.layers = layers
        self.name = spec.name
        self.spec = spec
        self.device = device
        self.channels = channels
        self.model = model
        shape = (2, self.channels, image_size, image_size)
        # A generator of our own, since the network may draw from the global ones.
        noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        self.images = noise.to(device)
        self.labels = torch.arange(2, device=device)

    def run(self, to_train: bool) -> tuple[str, ...]:
        require_kept(self.model, self.name)
        work = self._copy(self.model, "copying it")
        notes: tuple[str, ...] = ()
        try:
            notes = require_prunable(self.model, self.name, self.layers)
            self._train(work)
            logits = self._attack(work)
        except ModelError as error:
            if to_train:
                raise
            notes = (f"it can be scored, but neither trained nor pruned: {error}",)
            work = self._copy(self.model, "copying it").eval()
            with torch.no_grad():
                logits = self._logits(work, self.images, _EVALUATE)
        self._ask_again(work, logits)
        self._keep(work, logits)
        return notes

    def _copy(self, model: Model, doing: str) -> Model:
        with guest(self.name, doing, hint="copy.deepcopy(network) must work"):
            return copy.deepcopy(model).to(self.device)

    def _logits(self, model: Model, images: Tensor, where: str, seed: int = 0) -> Tensor:
        before = images.detach().clone()
        hint = f"it must take any number of {'x'.join(map(str, images.shape[1:]))} images"
        with guest(self.name, f"its forward pass{where}", hint), seeded(seed):
            self._seed_device(seed)
            found = model(images)
        logits = require_shape(self.name, found, len(images), model.num_classes, where)
        if not torch.equal(images.detach(), before):
            raise ModelError(
                f"{self.name} changes its input in place{where}",
                hint="let its first operation make a new tensor",
            )
        if not bool(torch.isfinite(logits).all()):
            raise ModelError(
                f"{self.name} returns logits that are not finite{where}",
                hint="look for divisions by 0, logarithms of 0, and weights that are too large",
            )
        return logits

    def _seed_device(self, seed: int) -> None:
        """The GPU's own generator; ``guest`` puts it back."""
        if self.device.type == "cuda":
            with torch.cuda.device(self.device):
                torch.cuda.manual_seed(seed)

    def _train(self, work: Model) -> None:
        """Forward and backward in training mode, and one small step."""
        work.train()
        names = prunable(work, self.layers)
        missing = set(names)
        with torch.enable_grad(), statistics_of_one_batch(work):
            for seed in range(_TRIES):
                logits = self._logits(work, self.images, _TRAIN, seed)
                with guest(self.name, "its backward pass" + _TRAIN):
                    work.zero_grad(set_to_none=True)
                    torch.autograd.backward(F.cross_entropy(logits.float(), self.labels))
                missing -= {name for name, weight in names.items() if weight.grad is not None}
                if not missing:
                    break
        first = next((name for name in names if name in missing), None)
        if first is not None:
            raise ModelError(
                f"{self.name}: no gradient reaches {first!r}{_TRAIN} ({len(missing)} of "
                f"{len(names)} prunable weights are without one)",
                hint="it would never train: look for no_grad, detach, layers that are not used, "
                "and checkpointing with use_reentrant=True",
            )
        self._step(work)

    def _step(self, work: Model) -> None:
        trained = {n: (p, p.grad) for n, p in work.named_parameters() if p.grad is not None}
        wild = next((name for name, (_, one) in trained.items() if not _finite(one)), None)
        if wild is not None:
            raise ModelError(
                f"{self.name}: the gradient of {wild.removeprefix('network.')!r} is not finite"
                f"{_TRAIN}",
                hint="training would end in NaN at once: look for square roots and norms of 0",
            )
        length = math.hypot(*(float(one.float().norm()) for _, one in trained.values()))
        with guest(self.name, "a training step"):
            # As the training loop has it; small, because only whether it can be done is asked.
            torch.optim.SGD(
                [one for one, _ in trained.values()],
                lr=1e-3 / max(1.0, length),
                momentum=0.9,
                fused=True,
            ).step()
        work.zero_grad(set_to_none=True)

    def _ask_again(self, work: Model, logits: Tensor) -> None:
        """Run one of the images alone: its logits may not depend on repetition or on other
        images."""
        before = {name: one.clone() for name, one in state_of(work).items()}
        with torch.no_grad():
            alone = self._logits(work, self.images[:1], _EVALUATE, seed=1)
            if not self._close(alone, logits[:1]):
                again = self._logits(work, self.images, _EVALUATE, seed=1)
                if self._close(again, logits):
                    raise ModelError(
                        f"{self.name} gives an image other logits beside other images{_EVALUATE}",
                        hint="use no statistics of the batch there, e.g. BatchNorm with "
                        "track_running_stats=True",
                    )
                raise ModelError(
                    f"{self.name} gives other logits for the same images each time{_EVALUATE}",
                    hint="draw random numbers in training mode alone, e.g. "
                    "F.dropout(x, training=self.training)",
                )
        after = state_of(work)
        moved = sorted(after.keys() ^ before.keys())
        if moved:
            raise ModelError(
                f"{self.name}: its forward pass adds or removes {moved[0]!r}{_EVALUATE}",
                hint="make all layers when the network is built",
            )
        for name, one in after.items():
            if not torch.equal(torch.nan_to_num(one), torch.nan_to_num(before[name])):
                raise ModelError(
                    f"{self.name}: its forward pass changes {name!r}{_EVALUATE}",
                    hint="change buffers in training mode alone (`if self.training:`)",
                )

    def _close(self, one: Tensor, other: Tensor) -> bool:
        """Equal but for the order of sums; GPUs round products to 10 bits besides (TF32)."""
        within = (1e-3 if self.device.type == "cpu" else 1e-2) * float(one.abs().max())
        return bool(((one - other).abs() <= within).all())

    def _attack(self, work: Model) -> Tensor:
        """The gradient at the image, with the weights frozen, as attacks take it.

        Returns:
            The logits, in evaluation mode.
        """
        work.eval()
        trained = [one for one in work.parameters() if one.requires_grad]
        for one in trained:
            one.requires_grad_(False)
        leaf = self.images.clone().requires_grad_(True)
        with torch.enable_grad():
            logits = self._logits(work, leaf, " under attack")
            # The label that is least likely: elsewhere a sure network has gradients of 0.
            loss = F.cross_entropy(logits.float(), logits.detach().argmin(1), reduction="sum")
            gradient: Tensor | None = None
            if loss.requires_grad:
                with guest(self.name, "its backward pass under attack"):
                    (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
        for one in trained:
            one.requires_grad_(True)
        hint = (
            "attacks, and with them robust accuracy, need it: look for no_grad, detach, rounding "
            "and conversions to integers or NumPy in its forward pass"
        )
        if gradient is None:
            raise ModelError(f"{self.name}: no gradient reaches the image", hint=hint)
        if not _finite(gradient):
            raise ModelError(f"{self.name}: the gradient at the image is not finite", hint=hint)
        varies = not torch.equal(logits[0], logits[1])
        if varies and not bool(gradient.any()):
            raise ModelError(
                f"{self.name}: the gradient at the image is exactly 0, though the logits depend on "
                "the image",
                hint=hint,
            )
        return logits.detach()

    def _keep(self, work: Model, expected: Tensor) -> None:
        """Digest, model file, and a fresh network that is filled from it."""
        if ":" in self.name:
            self._copy(work, "copying it after a training step")
        size = self.images.shape[-1]
        blueprint = Blueprint(self.spec, ("",) * work.num_classes, self.channels, size)
        with guest(self.name, "taking the digest of its state"):
            digest = digest_of(work)
        with guest(self.name, "writing its state to a model file"):
            content = model_bytes(work, blueprint)
        # Other weights than before, so that what is not in the file is noticed.
        ones = (1.0,) * self.channels
        fresh = build_model(
            self.spec.model_copy(update={"weights": None}),
            num_classes=work.num_classes,
            channels=self.channels,
            image_size=size,
            mean=ones,
            std=ones,
            seed=1,
        )
        with guest(self.name, "reading its state back from a model file"):
            load_state(fresh, load(content))
        fresh = fresh.to(self.device).eval()
        with torch.no_grad():
            found = self._logits(fresh, self.images, _EVALUATE)
        if digest_of(fresh) != digest or not self._close(found, expected):
            raise ModelError(
                f"{self.name}: built anew and filled from its model file, it gives other logits",
                hint="what decides its answers must be in its state_dict: keep layers in "
                "nn.ModuleList or nn.ModuleDict, tensors in parameters and persistent buffers",
            )


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
