"""The running application: web API, pages, command line, workers, settings and all wiring."""
