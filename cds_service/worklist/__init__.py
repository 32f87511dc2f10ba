"""Who has an open step: the core of the service over a FHIR Bulk Data export of a whole population."""
