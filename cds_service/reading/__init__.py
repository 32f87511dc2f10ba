"""The words of a report: from attachments to text, from text to assessments, each with the sentence that decided.

Rules follow from how reports are written (sections, statements, addenda), not from single texts; the words of each
language are one data file of the knowledge folder. Whatever a careful reader would refuse to choose is a dispute.
"""
