"""The report: what the marts say, as a page, as CSV files and as five answers in a terminal."""
