"""The trainable networks: prompts, adapter, generator, discriminator and head."""
