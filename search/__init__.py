"""How trials are proposed, stopped, run and budgeted: everything that touches Optuna's studies.

Results and plans are imported at once; what trains, proposes or opens storage when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import imported_on_use
from ..options import ENGINES, PRUNERS, SAMPLERS
from .notes.study import SessionNotes
from .plan import Plan
from .results.code_changes import changed_between
from .results.confirmation import Confirmation
from .results.paired_tests import ALPHA, Duel
from .results.probe import Probe
from .results.search import SearchResult
from .results.transfer import Outlook, Transfer
from .results.trial import Outcome, TrialRecord

if TYPE_CHECKING:
    from .budget.amount import Budget, duration, parse_seconds
    from .engines.signals import sigterm_like_ctrl_c
    from .finals.baselines import BASELINES, baselines
    from .finals.transfer import train_longer
    from .progress import Progress, Silent, Tally
    from .sampling.pruners import make_pruner
    from .sampling.samplers import make_sampler
    from .session.cluster import BACKENDS, Cluster, search_on
    from .session.search import find_rates, search
    from .storage.dashboard_notes import DashboardNotes, FolderStore
    from .storage.journal import JOURNAL, damage
    from .storage.opening import failures, open_storage
    from .storage.passwords import redact
    from .storage.reading import load_result
    from .storage.run_folder import folder_name, put_aside
    from .storage.whereabouts import WHEREABOUTS, whereabouts

__all__ = [
    "ALPHA",
    "BACKENDS",
    "BASELINES",
    "ENGINES",
    "JOURNAL",
    "PRUNERS",
    "SAMPLERS",
    "WHEREABOUTS",
    "Budget",
    "Cluster",
    "Confirmation",
    "DashboardNotes",
    "Duel",
    "FolderStore",
    "Outcome",
    "Outlook",
    "Plan",
    "Probe",
    "Progress",
    "SearchResult",
    "SessionNotes",
    "Silent",
    "Tally",
    "Transfer",
    "TrialRecord",
    "baselines",
    "changed_between",
    "damage",
    "duration",
    "failures",
    "find_rates",
    "folder_name",
    "load_result",
    "make_pruner",
    "make_sampler",
    "open_storage",
    "parse_seconds",
    "put_aside",
    "redact",
    "search",
    "search_on",
    "sigterm_like_ctrl_c",
    "train_longer",
    "whereabouts",
]

_HOME = {
    "budget.amount": ("Budget", "duration", "parse_seconds"),
    "engines.signals": ("sigterm_like_ctrl_c",),
    "finals.baselines": ("BASELINES", "baselines"),
    "finals.transfer": ("train_longer",),
    "progress": ("Progress", "Silent", "Tally"),
    "sampling.pruners": ("make_pruner",),
    "sampling.samplers": ("make_sampler",),
    "session.cluster": ("BACKENDS", "Cluster", "search_on"),
    "session.search": ("find_rates", "search"),
    "storage.dashboard_notes": ("DashboardNotes", "FolderStore"),
    "storage.journal": ("JOURNAL", "damage"),
    "storage.opening": ("failures", "open_storage"),
    "storage.passwords": ("redact",),
    "storage.reading": ("load_result",),
    "storage.whereabouts": ("WHEREABOUTS", "whereabouts"),
    "storage.run_folder": ("folder_name", "put_aside"),
}

__getattr__, __dir__ = imported_on_use(__name__, __all__, _HOME)
