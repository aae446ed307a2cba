"""Which parameters decided how good a trial was: Optuna's PED-ANOVA over the records."""

from __future__ import annotations

import math
import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from ...spaces import ScheduleSpace
from ..sampling.distributions import distribution
from .search import SearchResult
from .trial import TrialRecord

_BESIDE = {
    "optuna.importance._fanova": "FanovaImportanceEvaluator",
    "optuna.importance._mean_decrease_impurity": "MeanDecreaseImpurityImportanceEvaluator",
}
MIN_TRIALS = 10
"""Fewer complete trials than this say nothing about importance."""
NOTED_FROM = 30
"""Complete trials from which on a search notes the shares in its study when it ends: reading it is quick then."""
MOST_TRIALS = 2000
"""Of more complete trials an even spread is used: the shares are the same, and Optuna copies every trial."""


def importance(result: SearchResult) -> dict[str, float]:
    """Each searched parameter's share in reaching the best trials, largest first; the shares add up to 1.

    PED-ANOVA compares where the best tenth of the complete trials (at least five) lies with where all of them lie,
    and handles parameters that only some families have. Diverged and pruned trials are left out. Empty when fewer
    than `MIN_TRIALS` trials are complete or nothing varies.
    """
    if (noted := _noted(result)) is not None:
        return noted
    spread = result.ranking[:: -(-len(result.ranking) // MOST_TRIALS) or 1]
    trials = [t for t in (_frozen(t, result.space) for t in spread) if t is not None]
    if len(trials) < MIN_TRIALS:
        return {}

    study = optuna.create_study(direction="maximize" if result.maximize else "minimize")
    study.add_trials(trials)
    evaluator = _evaluator_class()(target_quantile=target_share(len(trials)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a family with a single trial; ties among the best
        importances = evaluator.evaluate(study)
    total = sum(importances.values())
    if not (math.isfinite(total) and total > 0):
        return {}
    return {name: value / total for name, value in sorted(importances.items(), key=lambda kv: (-kv[1], kv[0]))}


def _evaluator_class() -> Any:
    """`PedAnovaImportanceEvaluator`, imported without the evaluators beside it.

    Those need scikit-learn and pandas, whose import takes as long as a dozen trials, at the end of every search.
    """
    package = "optuna.importance"
    if package in sys.modules:
        return import_module(package).PedAnovaImportanceEvaluator
    for module, name in _BESIDE.items():
        sys.modules[module] = ModuleType(module)
        setattr(sys.modules[module], name, None)
    try:
        return import_module(package).PedAnovaImportanceEvaluator
    except ImportError:  # other releases of Optuna may lay it out differently
        pass
    finally:
        for module in (*_BESIDE, package):  # whoever imports it after this gets all of it
            sys.modules.pop(module, None)
    return import_module(package).PedAnovaImportanceEvaluator


def _noted(result: SearchResult) -> dict[str, float] | None:
    """The shares noted when the search ended, if they are of the same trials; a stranger may have noted anything."""
    noted = result.noted_shares
    if noted is None or noted.complete != len(result.ranking):
        return None
    known = {name for trial in result.ranking for name in trial.params}
    fits = noted.shares.keys() <= known and all(0 <= share <= 1 for share in noted.shares.values())
    return dict(noted.shares) if fits else None


def target_share(trials: int) -> float:
    """The share of trials that counts as "the best": a tenth, or more so that there are five of them."""
    return min(0.5, max(0.1, 5 / trials))


def _frozen(record: TrialRecord, space: ScheduleSpace) -> FrozenTrial | None:
    """The record as a complete Optuna trial; None if its parameters are not of this space."""
    try:
        distributions = {name: distribution(name, space) for name in record.params}
        return optuna.create_trial(params=dict(record.params), distributions=distributions, value=record.value)
    except (KeyError, ValueError):
        return None
