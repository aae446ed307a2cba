"""optuna-dashboard with our notes and plots.

May import facts, figures and export.
"""
