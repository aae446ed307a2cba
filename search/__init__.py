"""How trials are proposed, stopped, run and budgeted: everything that touches Optuna's studies."""

from .baselines import BASELINES, baselines
from .budget import Budget, duration, parse_seconds
from .clusters import BACKENDS, Cluster, search_on
from .confirmation import Confirmation
from .engines import DEFAULT_ENGINE, ENGINES
from .guard import sigterm_like_ctrl_c
from .journal import JOURNAL, damage
from .longer import train_longer
from .plan import Plan
from .progress import Progress, Silent, Tally
from .pruners import DEFAULT_PRUNER, PRUNERS, make_pruner
from .records import Outcome, SearchResult, TrialRecord
from .runner import search
from .samplers import DEFAULT_SAMPLER, SAMPLERS, make_sampler
from .secrets import redact
from .store import failures, folder_name, load_result, open_storage
from .transfer import Outlook, Transfer
from .verdict import ALPHA, DEFAULT_SEEDS, Duel

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
