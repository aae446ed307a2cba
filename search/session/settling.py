"""`Settling`: whether a search has settled, so that what is left of its budget need not be spent."""

from __future__ import annotations

from collections.abc import Callable

from optuna.study import Study

from ..notes.study import StudyNotes
from ..storage.studies import note_study


class Settling:
    """Whether a search has settled; once it has, it has for good.

    Args:
        study: The search's study, with the sampler that knows.
        able: Whether the search may end before its budget.
        over: Whether it had settled when the session began.
        told: Called when it settles.
    """

    def __init__(self, study: Study, *, able: bool, over: bool, told: Callable[[], None]) -> None:
        self.study, self.able, self.over, self.told = study, able, over, told
        self._ended = 0

    def after(self, ended: int) -> bool:
        """Whether it has settled, now that so many of its trials have ended."""
        if self.able and not self.over and ended > self._ended:
            self._ended = ended
            if self._sampler_says_so():
                self.over = True
                note_study(self.study, StudyNotes(settled=ended))
                self.told()
        return self.over

    def _sampler_says_so(self) -> bool:
        from ..sampling.curve_sampler import CurveSampler

        sampler = self.study.sampler
        return isinstance(sampler, CurveSampler) and sampler.model.settled(self.study)
