"""Measuring the service against labelled data."""
