"""What is done to calls of language models on their way in: priced, and kept from telling what they should not."""
