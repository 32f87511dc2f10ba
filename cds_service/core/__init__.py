"""The clinical reasoning, pure: standard library only, no input or output, no clock, no randomness, no logging."""
