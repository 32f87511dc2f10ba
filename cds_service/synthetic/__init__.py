"""Invented patients: for the demo, the playground and the generator of populations. Nobody in here is real."""
