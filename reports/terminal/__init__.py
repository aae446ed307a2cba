"""What the command line prints: progress, the summary, plots in text, JSON.

May import facts. Its wording may change without asking; what `--json` prints may not.
"""
