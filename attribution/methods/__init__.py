"""Attribution methods: one protocol, chosen by name."""
