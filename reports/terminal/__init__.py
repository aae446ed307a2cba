"""What the command line prints: progress, the summary, plots in text, JSON.

May import facts.
"""
