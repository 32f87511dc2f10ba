"""A CDS Hooks service for breast imaging: it reads BI-RADS assessments and answers with guidance cards."""

__version__ = "0.1.0"
