"""The trained networks: prompts, adapter, generator, discriminator and head."""
