"""Who is told of an alert, how and how often: Alertmanager's configuration, made from the environment."""
