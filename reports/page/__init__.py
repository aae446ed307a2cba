"""The HTML report: facts and figures in one file that works offline.

May import facts and figures.
"""
