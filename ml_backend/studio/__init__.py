"""Everything that speaks to Label Studio over HTTP: addresses, tokens, fetching, the API."""
