"""What stands between a request and an answer: who asks, may they, how much, and how a refusal is said."""
