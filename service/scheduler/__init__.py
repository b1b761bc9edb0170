"""The scheduler: run a workspace's jobs at set times, each once, with any number of schedulers."""
