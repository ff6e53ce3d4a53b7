"""The HTTP server: routes, answers, guards, metrics, pages, webhook events."""
