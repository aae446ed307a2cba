"""Optuna's storage: the only room that knows its private parts.

May import results, sampling and notes. How it is reached may change without asking; what it holds may not: see notes.
"""
