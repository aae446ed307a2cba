"""Search spaces: suggestions, TOML, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage

from lrsearch.errors import InputError, StudyError
from lrsearch.search import baselines
from lrsearch.search.notes.study import Settings
from lrsearch.search.storage.studies import open_study
from lrsearch.spaces import (
    BASE_LR,
    FAMILIES,
    Choice,
    Range,
    Schedule,
    default_space,
    get_family,
    read_space,
    space_from_dict,
    space_from_toml,
    space_to_dict,
    space_to_toml,
)

ALL = tuple(FAMILIES)


def test_suggest_gives_optuna_the_documented_names() -> None:
    space = default_space(horizon=10, families=ALL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    names: set[str] = set()
    for _ in range(60):
        trial = study.ask()
        schedule = space.suggest(trial)
        names |= set(trial.params)
        assert schedule.family == trial.params["family"]
        assert schedule.base_lr == pytest.approx(trial.params["base_lr"], rel=1e-3)
        for name, value in space.params(schedule).items():
            given_value = trial.params[name]
            if name == "warmup" and get_family(schedule.family).rises:
                continue  # it has a rise of its own instead
            assert value == (given_value if isinstance(value, str) else pytest.approx(given_value, rel=2e-3, abs=1e-3))
        assert space.contains(schedule)
    assert {"family", "base_lr", "warmup", "exp.gamma", "step.step_size", "step.gamma"} <= names
    assert {"cosine.T_max", "cosine.eta_min", "wsd.cooldown", "wsd.shape"} <= names


def test_what_is_suggested_is_short_enough_to_type() -> None:
    for schedule in default_space(horizon=17).sample(np.random.default_rng(1), 50):
        numbers = [schedule.base_lr, schedule.warmup, *schedule.params.values()]
        assert all(n == float(f"{n:.6g}") for n in numbers)


@given(st.integers(1, 300), st.sampled_from(["sgd", "adamw"]), st.sampled_from(["step", "epoch"]))
def test_toml_and_json_read_back_the_same_space(horizon: int, optimizer: str, interval: str) -> None:
    space = default_space(optimizer, horizon, ALL, interval)  # type: ignore[arg-type]
    assert space_from_toml(space_to_toml(space), default_space("sgd", horizon)) == space
    assert space_from_dict(space_to_dict(space)) == space


def test_toml_takes_percent_of_the_horizon_and_fixed_values() -> None:
    text = """
        families = ["cosine", "wsd"]
        base_lr = 0.1
        warmup = "10%"
        [cosine]
        T_max = { low = "50%", high = "100%" }
        eta_min = 0
        [wsd]
        shape = ["linear"]
    """
    space = space_from_toml(text, default_space(horizon=40))
    assert space.base_lr == Range(0.1, 0.1)
    assert space.warmup == Range(4, 4)
    assert space.ranges["cosine.T_max"] == Range(20, 40)
    assert space.ranges["wsd.shape"] == Choice(("linear",))
    schedules = space.sample(np.random.default_rng(0), 20)
    assert all(s.base_lr == 0.1 and s.warmup == 4 for s in schedules)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("base_lr = { low = 1.0, high = 0.1 }", "low <= high, got low=1, high=0.1"),
        ("base_lr = { low = 0.0, high = 0.1, log = true }", "low > 0"),
        ("base_lr = { low = 0.0, high = 0.1 }", "base_lr needs low > 0"),
        ("base_lr = { low = 0.1 }", "needs low and high"),
        ("base_lr = 'high'", "must be a number"),
        ("base_lr = ['a']", "takes low and high"),
        ("warmup = { low = 0, high = 10 }", "between 0 and the horizon of 10 epochs"),
        ("families = ['cosin']", "Did you mean 'cosine'"),
        ("families = []", "at least one"),
        ("families = 'cosine'", "list of names"),
        ("learning_rate = 0.1", "unknown key 'learning_rate'"),
        ("[exp]\nT_max = 3", "exp has no parameter 'T_max'"),
        ("[exp]\ngamma = { low = 0.5, high = 1.5 }", "exp.gamma must stay within 1e-09 to 1, got 1.5"),
        ("[cosine]\neta_min = 2", "as a fraction of base_lr, got 2"),
        ("interval = 'batch'\nfamilies = ['exp']", "interval"),
        ("base_lr = {", "not valid TOML"),
        ("exp = 3", "must be a table"),
    ],
)
def test_a_bad_space_is_explained(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        space_from_toml(text, default_space(horizon=10))


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lrsearch families --toml"):
        read_space(tmp_path / "none.toml", default_space())


def test_the_base_lr_range_follows_the_optimizer() -> None:
    assert default_space("sgd").base_lr.middle > 10 * default_space("adamw").base_lr.middle


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SGD", "sgd"),
        ("Adagrad", "sgd"),
        ("AdamW8bit", "adam"),
        ("RMSprop", "adam"),
        ("Adadelta", "unit"),
        ("LBFGS", "unit"),
        ("DAdaptAdam", "unit"),
    ],
)
def test_optimizers_of_a_kind_share_a_range_of_base_lr(name: str, kind: str) -> None:
    assert default_space(name).base_lr == BASE_LR[kind]


def test_an_unknown_optimizer_gets_no_range_silently() -> None:
    with pytest.raises(InputError, match=r"'Shampoo': take .* --optimizer, sgd \(0\.001 to 1\), adamw .*--space file"):
        default_space("Shampoo")


def test_baselines_are_what_people_use() -> None:
    space = default_space("sgd", 10)
    untuned = baselines(space)
    assert list(untuned) == ["constant", "linear to zero", "cosine to zero"]
    assert {s.base_lr for s in untuned.values()} == {0.03162}
    assert untuned["cosine to zero"].curve(100)[-1] < 1e-5
    assert space.contains(untuned["cosine to zero"])
    assert not space.contains(Schedule("linear", 0.1, 10))


STORED = """\
# lrsearch search space, made for 10 epochs. Edit, then: lrsearch run --space FILE

families = ["cosine", "wsd", "poly"]
interval = "step"  # the rate changes every step or every epoch
warmup_start = 0.01  # first rate of the warm-up, fraction of base_lr
base_lr = { low = 0.001, high = 1.0, log = true }
warmup = { low = 0.0, high = 2.0, step = 0.2 }  # epochs

[cosine]  # half a cosine from base_lr to eta_min over T_max epochs, rising again beyond
T_max = { low = 5.0, high = 15.0 }  # epochs; from the end of the warm-up to the minimum
eta_min = { low = 0.0, high = 0.1 }  # fraction of base_lr; smallest rate

[wsd]  # constant, then down to zero over the last `cooldown` epochs (linear or 1-sqrt)
cooldown = { low = 1.0, high = 8.0 }  # epochs; length of the final decay
shape = ["linear", "1-sqrt"]  # the cooldown's shape

[poly]  # base_lr * (1 - progress) ** power
power = { low = 0.3, high = 4.0, log = true }  # 1 is linear, above 1 falls early, below 1 late
"""
"""A space as it was stored before families had opt-in parameters."""


def test_a_space_that_was_stored_before_families_had_more_parameters_is_todays_default() -> None:
    stored = {"horizon": 10, "toml": STORED}
    space = default_space("sgd", 10, ("cosine", "wsd", "poly"))
    assert space_from_dict(stored) == space
    assert space.names("cosine") == ["base_lr", "warmup", "cosine.T_max", "cosine.eta_min"]
    storage, sampler, pruner = InMemoryStorage(), RandomSampler(), NopPruner()
    settings = Settings("val_loss", maximize=False, epochs=10, seed=0, space=stored)
    open_study(storage, "old", settings, sampler, pruner)
    open_study(storage, "old", replace(settings, space=space_to_dict(space)), sampler, pruner)
    wider = replace(space, ranges={**space.ranges, "wsd.end_factor": Range(0.0, 0.2)})
    open_study(storage, "old", replace(settings, space=space_to_dict(wider)), sampler, pruner)
    with pytest.raises(StudyError, match=r"the search space may become wider only: wsd.end_factor"):
        open_study(storage, "old", settings, sampler, pruner)


def test_opt_in_parameters_are_searched_where_a_space_names_them() -> None:
    text = """
        families = ["cosine", "wsd"]
        warmup_shape = "cosine"
        warmup_start = 0
        [cosine]
        after = ["hold"]
        [wsd]
        shape = ["cosine", "exponential"]
        end_factor = { low = 0.05, high = 0.2 }
    """
    space = space_from_toml(text, default_space(horizon=40))
    assert space_from_toml(space_to_toml(space), default_space(horizon=40)) == space
    schedules = space.sample(np.random.default_rng(0), 60)
    assert {s.value("after") for s in schedules if s.family == "cosine"} == {"hold"}
    assert {s.params["shape"] for s in schedules if s.family == "wsd"} == {"cosine", "exponential"}
    assert all(0.05 <= float(s.value("end_factor")) <= 0.2 for s in schedules if s.family == "wsd")
    assert {(s.warmup_shape, s.warmup_start) for s in schedules} == {("cosine", 0.0)}
    assert all(space.contains(s) for s in schedules)
    assert not default_space(horizon=40, families=("cosine", "wsd")).contains(schedules[0])
    for line in space_to_toml(default_space(families=ALL), offers=True).splitlines():
        assert line.startswith(("# ", "[")) or "=" in line or not line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("warmup_shape = 'sine'", "warmup_shape must be one of linear, cosine, exponential, got 'sine'"),
        ("warmup_shape = 'exponential'\nwarmup_start = 0", "cannot start at 0"),
        ("[cosine]\nafter = ['fall']", "cosine.after must stay within .*rise.*hold"),
    ],
)
def test_a_bad_warmup_or_choice_is_explained(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        space_from_toml(text, default_space(horizon=10))
