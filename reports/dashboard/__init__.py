"""optuna-dashboard with our notes and plots.

May import facts, figures and export. What it shows may change without asking; whom it answers is in docs/security.md.
"""
