"""What may be spent, and how it is shared.

May import storage, results and notes. Change freely what no stored study and no message shows: budgets hold exactly,
which tests/search/budget and tests/search/session check.
"""
