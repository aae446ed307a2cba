"""What a report says, as plain tuples and sentences.

No Plotly, no HTML: anything that shows a search may import it.
"""
