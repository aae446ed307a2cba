"""What a search leaves: immutable facts, and what follows from them.

May import sampling and notes; trains nothing and writes nothing. New properties may be added without asking; the
fields of `TrialRecord` and `SearchResult` are public.
"""
