"""What a bidder or a commission member runs: one folder of keys and the address of a server."""
