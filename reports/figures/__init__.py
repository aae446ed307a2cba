"""The figures, drawn with Plotly from facts.

May import facts.
"""
