"""Search spaces: suggestions, TOML, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrsearch.errors import InputError
from lrsearch.search import baselines
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
    found = space.sample(np.random.default_rng(0), 20)
    assert all(s.base_lr == 0.1 and s.warmup == 4 for s in found)


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
    found = baselines(space)
    assert list(found) == ["constant", "linear to zero", "cosine to zero"]
    assert {s.base_lr for s in found.values()} == {0.03162}
    assert found["cosine to zero"].curve(100)[-1] < 1e-5
    assert space.contains(found["cosine to zero"])
    assert not space.contains(Schedule("linear", 0.1, 10))
