"""What the pages for people show: plain values, worded, for the templates to lay out."""
