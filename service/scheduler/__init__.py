"""The scheduler: what a workspace does by the clock, each thing once however many schedulers run."""
