"""One table a file, for CSV, Markdown, LaTeX and the page."""
