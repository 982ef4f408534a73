"""Rows and totals, changed together in one transaction; everything else only reads them."""
