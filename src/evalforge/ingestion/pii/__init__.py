"""What the sanitiser is made of: the policy of keys, the checks of values, and the one walk over a span."""
