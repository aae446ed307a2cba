"""How trials are proposed, stopped, run and budgeted: everything that touches Optuna's studies."""

from .budget.ledger import Budget, duration, parse_seconds
from .engines.choice import DEFAULT_ENGINE, ENGINES
from .engines.signals import sigterm_like_ctrl_c
from .finals.baselines import BASELINES, baselines
from .finals.transfer import train_longer
from .plan import Plan
from .progress import Progress, Silent, Tally
from .results.confirmation import Confirmation
from .results.paired_tests import ALPHA, DEFAULT_SEEDS, Duel
from .results.search import Outcome, SearchResult, TrialRecord
from .results.transfer import Outlook, Transfer
from .sampling.pruners import DEFAULT_PRUNER, PRUNERS, make_pruner
from .sampling.samplers import DEFAULT_SAMPLER, SAMPLERS, make_sampler
from .session.cluster import BACKENDS, Cluster, search_on
from .session.search import search
from .storage.journal import JOURNAL, damage
from .storage.passwords import redact
from .storage.studies import failures, folder_name, load_result, open_storage

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
