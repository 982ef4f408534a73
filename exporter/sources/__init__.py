"""Ways in that the server goes itself: state databases, APIs and folders of files, read by mapping files."""
