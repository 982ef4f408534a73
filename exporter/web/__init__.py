"""HTTP: ways in, the JSON API, the scrape, and pages for people."""
