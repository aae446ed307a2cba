"""What to try next and what to stop: Optuna samplers and pruners that work in any script.

Imports spaces alone.
"""
