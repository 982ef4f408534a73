"""`pipeline-exporter run -- CMD…`: a command told as a run, by way of `exporter.client`."""
