"""What people look at and take away: tables, figures, the HTML page, exported code, the dashboard."""
