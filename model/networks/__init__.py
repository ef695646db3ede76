"""What is trained: prompts, adapter, generator, discriminator and head."""
