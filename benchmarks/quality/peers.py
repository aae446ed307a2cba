"""Other libraries' searches, replayed on the recorded tables: SMAC, Ax and Syne Tune, each at its defaults.

They are no dependencies of the project and want an environment of their own, from the repository's root:

    uv venv --python 3.11 ../peers && source ../peers/bin/activate
    uv pip install -e . torch==2.13.0 optuna==5.0.0 smac==2.4.1 ax-platform==1.3.1 syne-tune==0.16.0 \\
        huggingface_hub fastparquet h5py  # which Syne Tune's CQR imports
    python -W ignore benchmarks/search_quality.py replay --contenders smac+none,ax+none,cqr+none,bore+none

A proposal becomes the row with the nearest curve that is not complete yet. A library is told the row's own parameters
and loss, as Optuna's samplers are. Only SMAC's Hyperband, which waits for its own configurations, is told the row's
loss as theirs.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from lrsearch.spaces import Range
from lrsearch.spaces.families import Choice

from . import record, replay
from .live import Course
from .plain_space import Peer, Plain, Proposal, Value, steps

DIVERGED = 10.0
"""What a peer is told of a loss that is not finite or higher: untrained, these jobs have 1.3 to 4.4."""


def run(contender: str, name: str, seed: int, compute: float, data_dir: str) -> Course:
    """One study of a peer. A proposal that is asked for again goes on where it was left."""
    table = replay.share_of(name, seed)
    horizon, count = table.losses.shape[1], len(table.schedules)
    space = record.space(name)
    model = replay.TableModel(table, space)
    peer = PEERS[contender](Plain(space), seed, horizon, int(compute))
    course, complete = Course(seed), set[int]()
    held: dict[object, int] = {}
    trained: dict[object, int] = {}
    while course.spent < compute * horizon and len(complete) < count:
        proposal = peer.ask()
        key = proposal.key or len(course.trials)
        if key not in held:
            taken = complete | set(held.values()) if proposal.key else complete
            held[key] = model.free_row(space.schedule(proposal.params), taken if len(taken) < count else complete)
        row = held[key]
        params = space.params(table.schedules[row])
        epoch = 0
        for epoch in range(trained.get(key, 0) + 1, proposal.until + 1):
            loss = table.losses[row, epoch - 1]
            course.spent += 1
            ended = epoch == horizon or not np.isfinite(loss)
            if ended:
                complete.add(row)
                if np.isfinite(loss):
                    course.points.append((course.spent / horizon, float(loss)))
            last = ended or epoch == proposal.until
            if peer.tell(params, epoch, min(loss, DIVERGED) if np.isfinite(loss) else DIVERGED, last) or last:
                break
        trained[key] = epoch
        course.trials.append((table.schedules[row], epoch))
    return course


class Smac:
    """SMAC with a random forest, log expected improvement and a Sobol design, in a conditional space.

    Args:
        retrain_after: How many proposals one fit of the forest makes; SMAC's own is 8.
    """

    def __init__(self, plain: Plain, seed: int, horizon: int, trials: int, retrain_after: int = 8) -> None:
        from smac import HyperparameterOptimizationFacade as Facade

        self.plain, self.horizon = plain, horizon
        self.space = _conditional(plain)
        self.folder = tempfile.TemporaryDirectory()
        scenario = _scenario(self.space, seed, trials, self.folder.name)
        selector = Facade.get_config_selector(scenario, retrain_after=retrain_after)
        self.search = Facade(scenario, _never, config_selector=selector, overwrite=True, logging_level=False)

    def ask(self) -> Proposal:
        """See `Peer`."""
        self.info = self.search.ask()
        return Proposal(self.plain.to_params(self.info.config), self.horizon)

    def tell(self, params: Mapping[str, Value], epoch: int, loss: float, last: bool) -> bool:
        """See `Peer`."""
        from ConfigSpace import Configuration
        from smac.runhistory import TrialInfo, TrialValue

        if last:
            config = Configuration(self.space, values=self.plain.to_peer(params))
            self.search.tell(TrialInfo(config, seed=self.info.seed), TrialValue(cost=loss), save=False)
        return False


class SmacHyperband:
    """SMAC's multi-fidelity search: Hyperband over epochs, whose configurations go on where they were left."""

    def __init__(self, plain: Plain, seed: int, horizon: int, trials: int) -> None:
        from smac import MultiFidelityFacade as Facade

        self.plain = plain
        self.folder = tempfile.TemporaryDirectory()
        budgets = {"min_budget": 1, "max_budget": horizon}
        scenario = _scenario(_conditional(plain), seed, trials, self.folder.name, **budgets)
        self.search = Facade(scenario, _never_within, overwrite=True, logging_level=False)

    def ask(self) -> Proposal:
        """See `Peer`."""
        self.info = self.search.ask()
        return Proposal(self.plain.to_params(self.info.config), max(1, round(self.info.budget)), key=self.info.config)

    def tell(self, params: Mapping[str, Value], epoch: int, loss: float, last: bool) -> bool:
        """See `Peer`."""
        from smac.runhistory import TrialValue

        if last:
            self.search.tell(self.info, TrialValue(cost=float(loss)), save=False)
        return False


def _scenario(space: Any, seed: int, trials: int, folder: str, **budgets: int) -> Any:
    """A job of SMAC's, whose losses have no noise."""
    from smac import Scenario

    return Scenario(space, deterministic=True, n_trials=trials, seed=seed, output_directory=folder, **budgets)


def _never(config: Any, seed: int = 0) -> float:
    """The target function that SMAC wants to have; it is asked and told."""
    raise NotImplementedError


def _never_within(config: Any, seed: int = 0, budget: float = 0) -> float:
    """The same, of a budget."""
    raise NotImplementedError


def _conditional(plain: Plain) -> Any:
    """The space for SMAC: the families' own parameters depend on the family."""
    from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

    def made(name: str, span: Range | Choice) -> Any:
        if isinstance(span, Choice):
            return Categorical(name, list(span.options))
        return Integer(name, (0, steps(span))) if span.step else Float(name, (span.low, span.high), log=span.log)

    space = ConfigurationSpace()
    family = Categorical("family", list(plain.families))
    space.add(family, *(made(name, span) for name, span in plain.shared.items()))
    for value, own in plain.families.items():
        children = [made(name, span) for name, span in own.items()]
        space.add(*children, *(EqualsCondition(child, family, value) for child in children))
    return space


class Ax:
    """Ax: the centre, four Sobol points, then BoTorch's Gaussian process and qLogNoisyExpectedImprovement.

    Its space is conditional, too. A proposal of its own fails, so that it waits for none.
    """

    def __init__(self, plain: Plain, seed: int, horizon: int, trials: int) -> None:
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig as Choices
        from ax.api.configs import RangeParameterConfig as Ranges
        from ax.utils.common.logger import set_ax_logger_levels

        def made(name: str, span: Range | Choice) -> Any:
            if isinstance(span, Choice):
                return Choices(name, list(span.options), "str", is_ordered=False)
            if span.step:
                return Ranges(name, (0, steps(span)), "int")
            return Ranges(name, (span.low, span.high), "float", scaling="log" if span.log else "linear")

        set_ax_logger_levels(logging.ERROR)
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.plain, self.horizon = plain, horizon
        own = {family: list(spans) for family, spans in plain.families.items() if spans}
        root = Choices("family", list(plain.families), "str", is_ordered=False, dependent_parameters=own)
        self.search = Client(random_seed=seed)
        self.search.configure_experiment([root, *(made(name, span) for name, span in plain.every.items())])
        self.search.configure_optimization("-loss")

    def ask(self) -> Proposal:
        """See `Peer`."""
        ((number, values),) = self.search.get_next_trials(1).items()
        self.search.mark_trial_failed(number)
        return Proposal(self.plain.to_params(values), self.horizon)

    def tell(self, params: Mapping[str, Value], epoch: int, loss: float, last: bool) -> bool:
        """See `Peer`."""
        if last:
            number = self.search.attach_trial(self.plain.to_peer(params))
            self.search.complete_trial(number, {"loss": float(loss)})
        return False


class SyneTune:
    """A scheduler of Syne Tune, whose spaces are flat: what another family has is proposed, too, and told as proposed.

    Args:
        method: ``CQR``, ``BORE`` or ``ASHACQR``, which may stop a trial after an epoch.
    """

    def __init__(self, plain: Plain, seed: int, horizon: int, trials: int, method: str) -> None:
        from syne_tune import config_space
        from syne_tune.optimizer import baselines

        def made(span: Range | Choice) -> Any:
            if isinstance(span, Choice):
                return config_space.choice(list(span.options))
            if span.step:
                return config_space.randint(0, steps(span))
            return (config_space.loguniform if span.log else config_space.uniform)(span.low, span.high)

        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        np.random.seed(seed)  # Syne Tune draws from it, beside its own
        self.plain, self.horizon, self.number = plain, horizon, -1
        self.stops = method.startswith("ASHA")
        space = {name: made(span) for name, span in plain.every.items()}
        space["family"] = config_space.choice(list(plain.families))
        epochs = {"time_attr": "epoch", "max_t": horizon} if self.stops else {}
        self.search = getattr(baselines, method)(space, metric="loss", random_seed=seed, **epochs)

    def ask(self) -> Proposal:
        """See `Peer`."""
        self.number += 1
        self.values = self.search.suggest().config
        return Proposal(self.plain.to_params(self.values), self.horizon)

    def tell(self, params: Mapping[str, Value], epoch: int, loss: float, last: bool) -> bool:
        """See `Peer`."""
        from syne_tune.backend.trial_status import Trial

        trial = Trial(self.number, {**self.values, **self.plain.to_peer(params)}, datetime.now())
        result = {"loss": float(loss), "epoch": epoch}
        if self.stops:
            if epoch == 1:
                self.search.on_trial_add(trial)
            return bool(self.search.on_trial_result(trial, result) == "STOP")
        if last:
            self.search.on_trial_complete(trial, result)
        return False


PEERS: dict[str, Callable[[Plain, int, int, int], Peer]] = {
    "smac+none": Smac,
    "smac1+none": partial(Smac, retrain_after=1),
    "smac+hyperband": SmacHyperband,
    "ax+none": Ax,
    "cqr+none": partial(SyneTune, method="CQR"),
    "bore+none": partial(SyneTune, method="BORE"),
    "cqr+asha": partial(SyneTune, method="ASHACQR"),
}
"""By contender: made of the space, the seed, the horizon, and how many full trials there will be."""
