"""The HTTP edge: routes, limits, problem documents. Use cases decide; nothing here commits."""
