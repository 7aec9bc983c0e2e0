"""What the Datadog client is made of: bounded HTTP, attempts, pacing, rate-limit headers and the cutting of pages."""
