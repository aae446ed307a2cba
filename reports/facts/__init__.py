"""What a report says, as plain tuples and sentences.

No Plotly, no HTML: anything that shows a search may import it, and it nothing of reports/. Sentences may change without
asking, if they stay true in tests/reports; what is said of a winner may not.
"""
