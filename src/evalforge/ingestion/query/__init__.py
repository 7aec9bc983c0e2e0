"""Datadog's search language: text -> syntax tree -> a predicate over spans, and back to text for the server."""
