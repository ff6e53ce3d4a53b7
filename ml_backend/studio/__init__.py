"""Label Studio over HTTP: its messages, addresses and tokens, fetching its images, its API."""
