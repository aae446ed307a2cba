"""Longer trainings: what is extrapolated from which runs, and that a ranking that turns round is called that."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bowl import Behind, Noisy, StopAfter
from optuna.exceptions import StorageInternalError

import lrsearch
from lrsearch.cli import main
from lrsearch.errors import InputError, StudyError
from lrsearch.objectives import Measurement
from lrsearch.reports.facts.transfer import caution, longer
from lrsearch.reports.page.page import report_html
from lrsearch.search import Plan, Silent, Transfer, TrialRecord, search, train_longer
from lrsearch.search.results.transfer import extrapolated
from lrsearch.spaces import Schedule

MakePlan = Callable[..., Plan]


class Overtaken(Behind):
    """What was searched is 10 noise units ahead over 5 epochs, level over 10, and behind after that."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        self.gap = 10.0 - 10.0 * float(np.log2(schedule.horizon / 5))
        yield from super().run(schedule, **how)


def followed(make_plan: MakePlan, objective: Noisy, horizons: tuple[int, ...] = (10, 20)) -> lrsearch.SearchResult:
    plan = make_plan("60", objective=objective, sampler="random", pruner="none", confirm=9)
    search(plan)
    return train_longer(plan, horizons, 4, StopAfter(999))


class Stopped(Silent):
    """Progress that stops longer trainings after the first, as Ctrl-C would."""

    def run(self, run: TrialRecord, done: int, total: int) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("common", [0.0, 0.8, 0.95])
def test_a_line_is_extrapolated_with_its_uncertainty_also_if_a_seed_is_always_good(common: float) -> None:
    exact = [[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0)]]
    assert extrapolated(exact[:1] * 2, 4.0) == pytest.approx((5.0, 5.0, 5.0))
    assert extrapolated(exact, 4.0)[0] == pytest.approx(5.5)
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(1000):
        seeds = rng.standard_normal(3) * common**0.5
        noise = rng.standard_normal((3, 3)) * (1 - common) ** 0.5
        lines = [[(float(x), 0.5 * x + seeds[i] + noise[i, x]) for x in range(3)] for i in range(3)]
        _, low, high = extrapolated(lines, 3.0)
        missed += not low < 1.5 < high
    assert 0.07 < missed / 1000 < 0.13  # 5 % on either side
    assert extrapolated(exact[:1], 1.0)[1:] == (-np.inf, np.inf)
    assert extrapolated([[(0.0, 1.0)], [(0.0, 2.0)]], 1.0)[1:] == (-np.inf, np.inf)


def test_a_lead_that_stays_holds(make_plan: MakePlan) -> None:
    result = followed(make_plan, Behind())
    transfer = Transfer(result)
    outlook = transfer.outlook(transfer.finalists[1], 40)
    assert outlook.word == "holds"
    assert outlook.gaps.keys() == {5, 10, 20}
    assert "should stay ahead" in caution(result, 40)
    assert longer(result, 40) is not None


def test_a_ranking_that_turns_round_is_called_that(make_plan: MakePlan) -> None:
    result = followed(make_plan, Overtaken())
    assert result.confirmation is not None
    assert result.confirmation.word == "better"
    transfer = Transfer(result)
    outlook = transfer.outlook(transfer.finalists[1], 40)
    assert outlook.word == "turns round"
    assert outlook.expected == pytest.approx(0.2, abs=0.03)
    assert "should be ahead: use that one" in caution(result, 40)
    assert "Longer trainings" in report_html(result)


class Closing(Behind):
    """What was searched is 10 noise units ahead over 5 epochs, and the lead shrinks, but stays one."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        self.gap = 10.0 * (5 / schedule.horizon) ** 2
        yield from super().run(schedule, **how)


def test_a_lead_that_closes_is_not_said_to_turn_round(make_plan: MakePlan) -> None:
    result = followed(make_plan, Closing())
    transfer = Transfer(result)
    outlook = transfer.outlook(transfer.finalists[1], 40)
    assert outlook.low > 0  # what a straight line foretells
    assert outlook.word == "closes"
    assert "predicted to be gone" in caution(result, 40)


class Breaking(Behind):
    """What was searched is far ahead, and diverges over 20 epochs."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        plain = schedule.family in ("constant", "linear", "cosine") and not schedule.params
        for measurement in super().run(schedule, **how):
            broken = schedule.horizon == 20 and not plain and schedule.family in ("exp", "step")
            yield replace(measurement, metrics={**measurement.metrics, "val_loss": math.nan}) if broken else measurement


def test_a_winner_that_diverges_over_longer_trainings_is_said_to(make_plan: MakePlan) -> None:
    result = followed(make_plan, Breaking())
    transfer = Transfer(result)
    winner = result.trial(transfer.winner).schedule
    assert winner is not None
    assert winner.family in ("exp", "step")
    assert transfer.outlook(transfer.finalists[1], 40).word == "diverges"
    assert "not safe" in caution(result, 40)
    assert followed(make_plan, Breaking()) == result  # what diverged is not trained again


class Faster(Behind):
    """The higher base_lr, the better, over any horizon."""

    def run(self, schedule: Schedule, **how: Any) -> Iterator[Measurement]:
        for measurement in super().run(schedule, **how):
            loss = measurement.metrics["val_loss"] - 0.1 * math.log10(schedule.base_lr)
            yield replace(measurement, metrics={**measurement.metrics, "val_loss": loss})


def test_a_rate_that_is_better_at_every_horizon_is_not_said_to_stay_where_it_is(make_plan: MakePlan) -> None:
    result = followed(make_plan, Faster())
    assert set(Transfer(result).best_factors().values()) == {2.0}
    assert "Take 2 times its base_lr" in caution(result, 40)


def test_what_an_interrupted_session_had_queued_is_told_nowhere(make_plan: MakePlan) -> None:
    plan = make_plan("24", objective=Behind(), confirm=9)
    search(plan)
    with pytest.raises(KeyboardInterrupt):
        train_longer(plan, [10], 2, Stopped())
    result = train_longer(plan, [10], 2, Silent())
    runs = [(r.confirms, r.seed, r.schedule) for r in result.transfer]
    assert {r.outcome for r in result.transfer} == {"complete"}
    assert len(runs) == len(set(map(str, runs)))


class Twice(StopAfter):
    """Progress that begins the same longer trainings elsewhere after the first run."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(999)
        self.plan, self.said = plan, ""

    def run(self, run: TrialRecord, done: int, total: int) -> None:
        if not self.said:
            with pytest.raises(StudyError) as raised:
                train_longer(self.plan, [10], 2, Silent())
            self.said = str(raised.value)


def test_of_two_processes_that_train_longer_at_once_the_second_is_refused(make_plan: MakePlan, tmp_path: Path) -> None:
    how = {"sampler": "random", "pruner": "none", "storage": f"sqlite:///{tmp_path}/db"}
    plan = make_plan("24", objective=Behind(), confirm=9, **how)
    search(plan)
    progress = Twice(replace(plan, out=str(tmp_path / "elsewhere")))
    result = train_longer(plan, [10], 2, progress)
    assert "goes on when that one has ended" in progress.said
    assert {r.outcome for r in result.transfer} == {"complete"}
    assert train_longer(plan, [10], 2, Silent()) == result
    assert len(result.transfer) == len({str((r.confirms, r.seed, r.schedule)) for r in result.transfer})


def test_what_is_there_is_not_trained_again_and_the_budget_is_left_alone(make_plan: MakePlan) -> None:
    first = followed(make_plan, Noisy())
    again = followed(make_plan, Noisy())
    assert again == first
    more = followed(make_plan, Noisy(), (10, 20, 40))
    assert len(more.transfer) > len(first.transfer)
    assert more.trials == first.trials


@pytest.mark.parametrize(("horizons", "seeds", "says"), [((5,), 3, "longer than the search's 5"), ((10,), 1, "seeds")])
def test_nonsense_is_refused(make_plan: MakePlan, horizons: tuple[int, ...], seeds: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        train_longer(make_plan("20", objective=Noisy()), horizons, seeds, StopAfter(999))


def test_without_a_confirmed_winner_there_is_nothing_to_follow(make_plan: MakePlan) -> None:
    plan = make_plan("6", objective=Noisy())
    assert caution(search(plan), 40).endswith("was not measured (lrsearch transfer does that).")
    with pytest.raises(StudyError, match="only a confirmed winner"):
        train_longer(plan, (10,), 3, StopAfter(999))


def test_the_command_takes_a_built_in_task_from_the_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--engine", "single", "--device", "cpu"]
    assert main(["run", "--budget", "18", "--epochs", "1", "--out", str(tmp_path), *line]) == 0
    assert main(["transfer", str(tmp_path / "digits"), "--epochs", "4", "--measure", "2,3", "--seeds", "2", *line]) == 0
    assert "val_loss, means over 2 seeds" in capsys.readouterr().out
    original, copy = tmp_path / "digits", tmp_path / "elsewhere" / "copy"
    shutil.copytree(original, copy)
    before = (original / "journal.log").read_bytes()
    assert main(["transfer", str(copy), "--epochs", "4", "--measure", "4", "--seeds", "2", *line]) == 0
    assert (original / "journal.log").read_bytes() == before
    assert (copy / "journal.log").stat().st_size > len(before)
    assert {path.name for path in copy.parent.iterdir()} == {"copy"}


def test_code_is_loaded_only_from_where_one_says(make_plan: MakePlan, capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan("18", objective=Noisy(), sampler="random", pruner="none", confirm=9)
    search(plan)
    assert main(["transfer", str(plan.folder), "--epochs", "20"]) == 2
    assert "name the objective with --objective" in capsys.readouterr().err


def test_a_storage_that_fails_while_runs_are_trained_is_named_in_a_sentence(
    make_plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/gone.db"
    plan = make_plan("4", storage=url)
    search(plan)

    def gone(*_: object) -> None:
        raise StorageInternalError("server closed the connection unexpectedly")

    monkeypatch.setattr("lrsearch.search.finals.transfer.load_result", gone)
    with pytest.raises(StudyError, match=r"the storage .*gone\.db' failed: server closed the connection"):
        train_longer(plan, [10], 4, StopAfter(999))
