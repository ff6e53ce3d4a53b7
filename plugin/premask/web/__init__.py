"""Fetching over HTTP from addresses that somebody else wrote: which hosts, how long, how much."""
