"""The check of the authority's own record, by whoever may read it: pure, over rows, events and lists."""
