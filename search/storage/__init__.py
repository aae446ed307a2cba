"""Optuna's storage: the only room that knows its private parts.

May import results.
"""
