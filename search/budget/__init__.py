"""What may be spent, and how it is shared.

May import storage and results.
"""
