"""The end of a search: what takes long to compute is noted in its study, so that reading it is quick."""

from __future__ import annotations

from dataclasses import replace

from optuna.study import Study

from ..notes.ending import Shares
from ..notes.study import StudyNotes
from ..results.importance import NOTED_FROM, importance
from ..results.response import noted_response
from ..results.search import SearchResult
from ..storage.studies import note_study


def note_at_end(study: Study, result: SearchResult) -> SearchResult:
    """Note which parameters mattered, and how much base_lr does; returns the result with these notes."""
    enough = len(result.ranking) >= NOTED_FROM
    shares = Shares(len(result.ranking), importance(result)) if enough else None
    response = noted_response(result)
    if shares or response:
        note_study(study, StudyNotes(importance=shares, response=response))
    return replace(result, noted_shares=shares, noted_response=response)
