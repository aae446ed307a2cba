"""`CurveModel`: what a study's trials say about all learning-rate curves of its space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr
from threadpoolctl import ThreadpoolController

from ...spaces import Schedule, ScheduleSpace
from .curve_fit import Fit, best_of, fit_to, kernel_of, milestone, with_pending
from .features import Array, Features
from .gaussian_process import Kernel, Posterior, log_improvement
from .hypotheses import Mixture, Prior
from .initial_design import next_design, scan
from .observations import Curve, Params, Seen, blind_before, curve_of, observe, value_at, worth_knowing
from .recorded_jobs import RecordedJobs
from .scale import Scale

F = TypeVar("F", bound=Callable[..., Any])
_one_thread: Callable[[F], F] = ThreadpoolController().wrap(limits=1, user_api="blas")
"""Matrices of a few hundred rows gain nothing from threads, and NumPy's would compete with PyTorch's for the cores."""

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
POOL = 1000
"""Random schedules that are always candidates."""
DESIGN = 2
"""Trials placed without the surrogate, before it proposes: it explores well by itself."""
SCAN_WITHIN = 4
"""A study that knows so many trials needs no scan of base_lr any more."""
COVERS = 4
"""Of trials chosen at once before any has ended, each of this number covers the space; other jobs choose the rest."""
LEARNT_WITHIN, LEARNT_POOL = 6, 300
"""Other jobs have a say until a study knows so many trials, since later its own say more; about so many candidates."""
SETTLED, SETTLES_FROM = 0.3, 15.0
"""A study has settled when the next trial is expected to gain less than this share of the noise, and so many full
trials have been trained: see RESULTS.md."""
BELIEF = 3.0
"""Weight of the probe's scale among the candidates: the logarithm of its density counts this often over the trials."""
LEADERS, NUDGES, SCALES = 4, 12, (0.03, 0.12, 0.03)
"""Neighbours of the best that become candidates: of how many, how many of each, how far (in widths of the ranges)."""


class CurveModel:
    """The surrogate of a study over the curves of a space; shared by `CurveSampler` and `CurvePruner`.

    Args:
        space: Where schedules come from.
        seed: Seed of the candidates.
        scale: Where base_lr should lie, if a probe has told; it counts less with every trial.
        others: Loads what other jobs' schedules ended at, for the first proposals, when it is needed.
    """

    def __init__(
        self,
        space: ScheduleSpace,
        seed: int = 0,
        scale: Scale | None = None,
        others: Callable[[], RecordedJobs] | None = None,
    ) -> None:
        self.space, self.seed, self.scale, self.others = space, seed, scale, others
        self._forget("")

    def _forget(self, study: str) -> None:
        self._study = study
        self._curves: dict[int, Curve | None] = {}
        self._finished: dict[int, Seen] = {}
        self._known: set[int] = set()
        self._fit: tuple[int, Fit | None] = (0, None)
        self._kernel: tuple[int, Kernel | None] = (0, None)

    @property
    def reports(self) -> int:
        """Reports of a full trial: one an epoch, or one every so many steps."""
        return math.ceil(self.space.horizon / self.space.counting.every)

    @cached_property
    def pool(self) -> list[Params]:
        """Random candidates, as Optuna parameters."""
        return self.space.sample_params(np.random.default_rng(self.seed), POOL)

    @cached_property
    def pool_rates(self) -> Array:
        """The pool's base_lr, ``(POOL,)``."""
        return np.array([float(p["base_lr"]) for p in self.pool])

    @cached_property
    def pool_features(self) -> Array:
        """Features of the pool's whole curves, ``(POOL, d)``."""
        return self.features.reference

    @cached_property
    def features(self) -> Features:
        """The features, scaled by the pool."""
        return Features([self.space.schedule(p) for p in self.pool], self.space.counting.every, self.space.beside)

    @cached_property
    def prior(self) -> Prior | None:
        """What other jobs say about this space."""
        span = self.space.base_lr
        if self.others is None or not span.log or not (jobs := self.others()).surfaces:
            return None
        return Prior(jobs, self.features, math.log(span.low * span.high) / 2, self.pool_features[:LEARNT_POOL])

    @_one_thread
    def propose(self, study: Study, number: int, rng: np.random.Generator) -> Params:
        """Optuna parameters for the trial of that number: a scan of base_lr at first, then the most promising curve."""
        finished, running = self._look(study, number)
        trials = [*finished, *running]
        fit = self._fitted(finished)
        blind = blind_before(study, number)
        if not (running or blind) and (scanned := self._scan(study, number, finished)) is not None:
            return scanned
        if fit is None or len(trials) < DESIGN:
            known = [t.curve.whole for t in trials]
            for _ in range(blind):
                known.append(self.pool_features[self._place(known, alone=False)])
            return self.pool[self._place(known, alone=not (running or blind))]
        posterior, gains_of, pool = self._promise(fit, finished, running)
        leaders, _ = self._climb(posterior, gains_of, pool, finished, trials, rng)
        return leaders[min(blind, LEADERS - 1)]

    def _promise(
        self, fit: Fit, finished: Sequence[Seen], running: Sequence[Seen]
    ) -> tuple[Posterior, Callable[[Array], Array], Array]:
        """The surrogate with the running trials, how much curves ``(m, d)`` promise, and the pool's curves."""
        posterior, best = with_pending(fit, running)
        if len(finished) >= LEARNT_WITHIN or self.scale is not None or self.prior is None:
            return posterior, partial(_own_gains, posterior, best), self.pool_features
        return posterior, Mixture(self.prior, fit, (posterior, best), finished, running).gains, self.prior.pool

    @_one_thread
    def settled(self, study: Study) -> bool:
        """Whether the next trial is expected to gain less than `SETTLED` standard deviations of a value's noise.

        The noise is what the curve does not explain of a value, by the study's own trials: the luck of one training.
        """
        finished, _ = self._look(study)
        fit = self._fitted(finished)
        if fit is None or sum(t.epochs[-1] for t in finished) < SETTLES_FROM * self.reports:
            return False
        rng = np.random.default_rng([self.seed, len(finished)])
        gains_of = partial(_own_gains, fit.posterior, fit.best)
        _, gain = self._climb(fit.posterior, gains_of, self.pool_features, finished, finished, rng)
        return gain < math.log(SETTLED * math.sqrt(fit.posterior.noise))

    def _climb(
        self,
        posterior: Posterior,
        gains_of: Callable[[Array], Array],
        pool: Array,
        finished: Sequence[Seen],
        trials: Sequence[Seen],
        rng: np.random.Generator,
    ) -> tuple[list[Params], float]:
        """Candidates that promise most, the best one first, and what it promises."""
        gains = gains_of(pool) + self._belief(self.pool_rates[: len(pool)], len(trials))
        leaders: list[Params] = [self.pool[i] for i in np.argsort(-gains)[:LEADERS]]
        inside = [t.curve for t in best_of(finished) if t.curve.params]
        if inside:
            order = np.argsort(posterior.predict(np.stack([c.whole for c in inside]))[0])
            leaders += [inside[i].params for i in order[:LEADERS]]
        tried = {frozenset(t.curve.params.items()) for t in trials}
        for scale in SCALES:
            near = [self.space.nudged(p, rng, scale) for p in leaders for _ in range(NUDGES)]
            candidates = [p for p in (*leaders, *near) if frozenset(p.items()) not in tried]
            x = self.features.whole([self.space.schedule(p) for p in candidates])
            rates = np.array([float(c["base_lr"]) for c in candidates])
            gains = gains_of(x) + self._belief(rates, len(trials))
            order = np.argsort(-gains)
            leaders = [candidates[i] for i in order[:LEADERS]]
        return leaders, float(gains[order[0]])

    def _scan(self, study: Study, number: int, finished: Sequence[Seen]) -> Params | None:
        """The usual schedule at the next rate of the scan; None if it is over, or a probe has told more.

        It goes down while the lower rate is no worse. One trial at a time: of several at once, `next_design` spreads
        more than their rates.
        """
        if self.scale is not None or len(finished) >= SCAN_WITHIN:
            return None
        others = (t for t in study.get_trials(deepcopy=False) if t.number != number)
        tried = [curve.schedule for t in others if (curve := self._curve(study, t)) is not None]  # failed ones, too
        values = {t.curve.schedule: t.values[-1] if t.complete else math.inf for t in finished}
        second, first, *_ = self.falling
        places = [first, second]
        for above, here, below in zip(self.falling, self.falling[1:], self.falling[2:], strict=False):
            if not {above[1], here[1]} <= set(values) or values[here[1]] > values[above[1]]:
                break
            places.append(below)
        return next((params for params, schedule in places if schedule not in tried), None)

    @cached_property
    def falling(self) -> list[tuple[Params, Schedule]]:
        """The scan's schedules, which may be the nearest ones, with their parameters; rates fall."""
        first, second, *below = (self.nearest(schedule) for schedule in scan(self.space))
        return [second, first, *below]

    def nearest(self, schedule: Schedule) -> tuple[Params, Schedule]:
        """A schedule's parameters and itself; if it does not lie in the space, of what is nearest to it in the pool."""
        params = self.space.params(schedule)
        if "family" not in params:
            away = self.pool_features - self.features.whole([schedule])
            params = self.pool[int((away**2).sum(1).argmin())]
        return params, self.space.schedule(params)

    def _belief(self, rates: Array, trials: int) -> Array:
        """What the probe adds to candidates' logarithmic gain: less with every trial, so that trials win.

        Hvarfner et al. 2022, arXiv:2204.11051.
        """
        if self.scale is None:
            return np.zeros(len(rates))
        return BELIEF / max(1, trials) * self.scale.log_density(rates)

    def _place(self, known: Sequence[Array], *, alone: bool) -> int:
        """Which of the pool to try besides the known ones while nothing has ended, or too little."""
        if not alone and self.scale is None and self.prior is not None and len(known) % COVERS != COVERS - 1:
            place = self.prior.besides(known)
            if place is not None:
                return place
        likely = self._near_scale()
        return int(likely[next_design(self.pool_features[likely], known, alone=alone)])

    def _near_scale(self) -> NDArray[np.intp]:
        """Which of the pool the probe holds for likely; all without a probe."""
        if self.scale is None:
            return np.arange(len(self.pool))
        low, high = self.scale.range
        near = np.flatnonzero((low <= self.pool_rates) & (self.pool_rates <= high))
        return near if len(near) else np.arange(len(self.pool))

    def lags(self, study: Study, trial: FrozenTrial, done: int) -> bool:
        """Whether a trial with one of the scan's lower rates is behind both rates above it after so many reports."""
        schedules = [schedule for _, schedule in self.falling]
        curve = self._curve(study, trial)
        place = schedules.index(curve.schedule) if curve and curve.schedule in schedules else 0
        if place < 2:
            return False
        above = dict.fromkeys(schedules[place - 2 : place], math.inf)
        for other in study.get_trials(deepcopy=False, states=DONE):
            known = self._curve(study, other)
            if known is not None and known.schedule in above:
                above[known.schedule] = value_at(study, other, done, self.space.counting.every)
        return value_at(study, trial, done, self.space.counting.every) > max(above.values())

    @_one_thread
    def chance(self, study: Study, trial: FrozenTrial) -> float:
        """The probability that a running trial ends better than the best complete one; 1 if nothing is known."""
        fit = self._fitted(self._look(study)[0])
        seen = self._seen(study, trial)
        if fit is None or seen is None or not seen.epochs:
            return 1.0
        posterior = fit.posterior.given(seen.x, fit.warp(np.array(seen.values)))
        mean, sd = posterior.predict(seen.curve.whole[None])
        return float(ndtr((fit.record - mean[0]) / math.sqrt(sd[0] ** 2 + posterior.noise)))

    @_one_thread
    def expected(self, study: Study, schedules: Sequence[Schedule]) -> Array | None:
        """Where whole schedules should end at worst, without the luck: the mean and one standard deviation more.

        Smaller is better, the unit is the model's own. None if too little is known.
        """
        fit = self._fitted(self._look(study)[0])
        return None if fit is None else np.add(*fit.posterior.predict(self.features.whole(schedules)))

    def _look(self, study: Study, number: int | None = None) -> tuple[list[Seen], list[Seen]]:
        """Finished trials and, if asked for by the number of another, running ones; in the order of their numbers."""
        self._meet(study)
        trials = study.get_trials(deepcopy=False)
        ended = [t for t in trials if t.state in DONE and t.number not in self._known]
        self._known.update(t.number for t in ended)
        for trial in worth_knowing(study, ended):
            if (seen := self._seen(study, trial)) is not None and seen.epochs:
                self._finished[trial.number] = seen
        others = (t for t in trials if t.state == TrialState.RUNNING and number not in (None, t.number))
        running = [self._seen(study, t) for t in others]
        return [self._finished[n] for n in sorted(self._finished)], [seen for seen in running if seen]

    def _fitted(self, finished: Sequence[Seen]) -> Fit | None:
        """The fit to the finished trials; none before there are two, one of them complete without divergence."""
        if self._fit[0] != len(finished):
            enough = len(finished) > 1 and any(t.complete and math.isfinite(t.values[-1]) for t in finished)
            self._fit = len(finished), self._fit_to(finished) if enough else None
        return self._fit[1]

    def _fit_to(self, finished: Sequence[Seen]) -> Fit:
        count = milestone(len(finished))
        fitted, kernel = self._kernel
        if kernel is None or fitted != count:
            kernel = kernel_of(finished[:count])
            self._kernel = count, kernel
        return fit_to(finished, kernel)

    def _meet(self, study: Study) -> None:
        """What is known of trials is known of one study's."""
        if study.study_name != self._study:
            self._forget(study.study_name)

    def _curve(self, study: Study, trial: FrozenTrial) -> Curve | None:
        """A trial's curve; None if its schedule is not known (yet)."""
        self._meet(study)
        curve = self._curves.get(trial.number) or curve_of(trial, self.space, self.features)
        if curve is None or trial.state.is_finished() or not curve.schedule.reacts:  # else its curve is not known yet
            self._curves[trial.number] = curve
        return curve

    def _seen(self, study: Study, trial: FrozenTrial) -> Seen | None:
        """What a trial has shown; None if its schedule is not known (yet)."""
        curve = self._curve(study, trial)
        return observe(study, trial, curve, self.reports, self.space.counting.every) if curve else None


def _own_gains(posterior: Posterior, best: float, x: Array) -> Array:
    """Logarithm of the expected improvement at curves ``(m, d)``."""
    return log_improvement(*posterior.predict(x), best)
