"""Three small LLM apps, instrumented with the real ddtrace, whose traffic is the demo's.

No model is called: the answers are written here. Everything about customers is invented; addresses are in
example.com, phone numbers in the 555-01xx range kept for fiction, cards are the card schemes' test numbers.
"""
