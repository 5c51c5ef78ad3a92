"""The page of the public check: words, answers and forms as HTML, and what the browser loads beside it."""
