"""What a batch writes when all chunks are finished: stacks, or background models."""
