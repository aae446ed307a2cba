"""How trials are proposed, stopped, run and budgeted: everything that touches Optuna's studies."""

from .budget.amount import Budget, duration, parse_seconds
from .engines.signals import sigterm_like_ctrl_c
from .finals.baselines import BASELINES, baselines
from .finals.transfer import train_longer
from .plan import DEFAULT_ENGINE, ENGINES, Plan
from .progress import Progress, Silent, Tally
from .results.confirmation import Confirmation
from .results.paired_tests import ALPHA, DEFAULT_SEEDS, Duel
from .results.search import SearchResult
from .results.transfer import Outlook, Transfer
from .results.trial import Outcome, TrialRecord
from .sampling.pruners import DEFAULT_PRUNER, PRUNERS, make_pruner
from .sampling.samplers import DEFAULT_SAMPLER, SAMPLERS, make_sampler
from .session.cluster import BACKENDS, Cluster, search_on
from .session.search import search
from .storage.journal import JOURNAL, damage
from .storage.opening import failures, open_storage
from .storage.passwords import redact
from .storage.reading import load_result
from .storage.run_folder import folder_name

__all__ = [
    "ALPHA",
    "BACKENDS",
    "BASELINES",
    "DEFAULT_ENGINE",
    "DEFAULT_PRUNER",
    "DEFAULT_SAMPLER",
    "DEFAULT_SEEDS",
    "ENGINES",
    "JOURNAL",
    "PRUNERS",
    "SAMPLERS",
    "Budget",
    "Cluster",
    "Confirmation",
    "Duel",
    "Outcome",
    "Outlook",
    "Plan",
    "Progress",
    "SearchResult",
    "Silent",
    "Tally",
    "Transfer",
    "TrialRecord",
    "baselines",
    "damage",
    "duration",
    "failures",
    "folder_name",
    "load_result",
    "make_pruner",
    "make_sampler",
    "open_storage",
    "parse_seconds",
    "redact",
    "search",
    "search_on",
    "sigterm_like_ctrl_c",
    "train_longer",
]
