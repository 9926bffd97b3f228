"""One spec per stage: everything that decides a run's numbers, and nothing else.

Device, folders and worker counts are not here: they must not change a result's name.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dwlt.spec.base import Spec, label
from dwlt.spec.criteria import CRITERIA
from dwlt.spec.layers import KINDS, Kind, LayerChoice
from dwlt.spec.parts import Epochs, ModelSpec, Radius, ScoreSpec, TaskSpec
from dwlt.spec.training import TrainSpec

Method = Literal["imp", "oneshot", "hydra", "random", "layerwise-random", "shuffled", "reinit"]
METHODS: tuple[Method, ...] = (
    "imp",
    "oneshot",
    "hydra",
    "random",
    "layerwise-random",
    "shuffled",
    "reinit",
)
TRAINED: tuple[Method, ...] = ("imp", "oneshot", "hydra")
"""Methods that train, weights or scores; the others only draw."""
SCORED: tuple[Method, ...] = ("imp", "oneshot")
"""Methods that cut by a criterion of the user's choice."""
SCOPED: tuple[Method, ...] = ("imp", "oneshot", "hydra", "random")
"""Methods that cut in a scope of the user's choice."""
OF_A_SEARCH: tuple[Method, ...] = ("shuffled", "reinit")
"""Controls that are made from the masks of a search by `imp`."""

Scope = Annotated[str, Field(pattern=r"^(global|tensor|erk|[1-9][0-9]?:[1-9][0-9]?)$")]

Layers = Literal["auto"] | Annotated[tuple[Kind, ...], Field(min_length=1)]

Rewind = Literal["pretrained", "none"] | Annotated[Epochs, Field(ge=1)]


class StageSpec(Spec):
    """What all stages have in common.

    Attributes:
        name: shown in the folder's name; not part of the run's identity.
        data: the task that is trained or scored on.
        seed: of everything random in this stage.
    """

    name: str = label("run")
    data: TaskSpec
    model: ModelSpec
    score: ScoreSpec
    seed: int = 0


class PretrainSpec(StageSpec):
    """Train the whole network on the source task.

    How it is scored on the way does not change the weights, so it does not name the run; the
    result says what it was scored with.
    """

    score: ScoreSpec = label(ScoreSpec())
    stage: Literal["pretrain"] = "pretrain"
    train: TrainSpec


class PruneSpec(StageSpec):
    """Find tickets: rounds of training, pruning by magnitude, and rewinding; or a control.

    Attributes:
        rate: share of the remaining prunable weights removed per round.
        method: how tickets are made. ``imp``: iterative magnitude pruning. ``oneshot``: trained
            once, then cut to the sparsity of each round. ``hydra``: scores trained anew for each
            round, on weights that stay as they are. ``random``: drawn from all weights.
            ``layerwise-random``: the same share of each layer. ``shuffled``: as many weights of
            each layer as an `imp` search keeps, at other places. ``reinit``: the masks of an
            `imp` search on newly initialised weights.
        train: how a round trains; None for methods that do not.
        rewind: which weights a round of `imp` starts from, and its ticket is made of:
            ``pretrained``; those after so many epochs of the first round's training; or
            ``none``: those that the round before ended with.
        rounds: how far to go. Not part of the identity: round r does not depend on how many
            follow, so 10 rounds can be carried on to 20.
        score: not part of the identity either: it changes no mask.
        layers: kinds of layers that are pruned, "conv", "linear" or both. "auto" is decided by
            the network once it is known (``with_layers``); in a run's own spec it is "conv", which
            is what runs had before there was a choice.
        include, exclude: as in ``LayerChoice``.
        criterion: what weights are ranked by, of `imp` and `oneshot`: see ``dwlt.criteria``.
        scope: which weights are ranked together: all of them ("global"), those of a layer that
            keeps the same share ("tensor") or the share of the Erdős-Rényi-Kernel rule ("erk"),
            or, with "2:4", those of every four inputs, of which two are left after one round.
        iterations: cuts per round, each by scores taken anew; None: the criterion's own number.
        images: training images that scores are taken on, where a criterion looks at images.
    """

    score: ScoreSpec = label(ScoreSpec())

    stage: Literal["prune"] = "prune"
    train: TrainSpec | None
    method: Method = "imp"
    rewind: Rewind = "pretrained"
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.2
    rounds: Annotated[int, Field(ge=1, le=1000)] = label(20)
    layers: Layers = "auto"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    criterion: str = "magnitude"
    scope: Scope = "global"
    iterations: Annotated[int, Field(ge=1, le=10_000)] | None = None
    images: Annotated[int, Field(ge=1)] = 512

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if (self.train is not None) != (self.method in TRAINED):
            raise ValueError(f"method {self.method!r} and the training do not go together")
        if self.rewind != "pretrained" and self.method != "imp":
            raise ValueError(f"rewind belongs to method 'imp', not to {self.method!r}")
        CRITERIA.require(self.criterion)
        if self.criterion != "magnitude" and self.method not in SCORED:
            raise ValueError(f"a criterion belongs to imp and oneshot, not to {self.method!r}")
        if self.scope != "global" and self.method not in SCOPED:
            raise ValueError(f"a scope does not go with {self.method!r}")
        if self.patterned and self.rounds > 1:
            raise ValueError(f"scope {self.scope!r} is reached in one round: set rounds to 1")
        if self.patterned and self.method == "random":
            raise ValueError(f"scope {self.scope!r} ranks weights, and 'random' draws them")
        if isinstance(self.rewind, int) and self.train and self.rewind > self.train.epochs:
            raise ValueError(
                f"rewind is epoch {self.rewind}, but a round trains for {self.train.epochs}"
            )
        return self

    @property
    def how(self) -> str:
        """Method, criterion and scope in a word, as far as they are not the usual ones."""
        usual = ("magnitude", "global")
        more = [one for one in (self.criterion, self.scope) if one not in usual]
        return "/".join([self.method, *more])

    @property
    def patterned(self) -> bool:
        """Whether the scope is a pattern such as "2:4", which says how many weights are kept."""
        return ":" in self.scope

    def with_layers(self, automatic: tuple[Kind, ...]) -> Self:
        """The spec for a network whose own choice of layers is this."""
        kinds = automatic if self.layers == "auto" else self.layers
        kinds = tuple(kind for kind in KINDS if kind in kinds)
        return self.model_copy(update={"layers": "auto" if kinds == ("conv",) else kinds})

    @property
    def choice(self) -> LayerChoice:
        """What is pruned, of a spec that ``with_layers`` has made."""
        kinds: tuple[Kind, ...] = ("conv",) if self.layers == "auto" else self.layers
        return LayerChoice(kinds, self.include, self.exclude)

    @property
    def regime(self) -> str:
        """The regime that rounds train under, or "none"."""
        return "none" if self.train is None else self.train.regime


class TransferSpec(StageSpec):
    """Fine-tune one ticket (or the dense network, round 0) on a downstream task.

    What it starts from (weights and mask, by digest) is part of the identity; ``round`` only
    says where the mask was found.
    """

    stage: Literal["transfer"] = "transfer"
    train: TrainSpec
    round: Annotated[int, Field(ge=0)] = label(0)


SuiteAttack = Literal["apgd-ce", "apgd-t", "fab-t", "square"]


class EvaluateSpec(StageSpec):
    """Score one model file on a task's test images.

    Attributes:
        suite: attacks of AutoAttack, in this order, in the ball (norm and eps) of
            ``score.attack``; what else that attack says is then not read. Empty:
            ``score.attack`` itself.
        prefilter: run ``score.attack`` before the suite. Faster, and another protocol: results
            are labelled.
        sweep: radii at which ``score.attack`` is measured besides, each with a quarter of it as
            its step, judging any point.
        corruptions: "builtin", or a folder of corrupted images, whose SA is measured besides.
    """

    stage: Literal["evaluate"] = "evaluate"
    suite: tuple[SuiteAttack, ...] = ()
    prefilter: bool = False
    sweep: tuple[Radius, ...] = ()
    corruptions: str | None = None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if len(set(self.suite)) != len(self.suite):
            raise ValueError("the suite names an attack twice")
        if (self.suite or self.sweep) and self.score.attack is None:
            raise ValueError("a suite and a sweep need the norm and eps of an attack")
        if self.prefilter and not self.suite:
            raise ValueError("a pre-filter stands before AutoAttack")
        return self
