"""The trainable networks: prompts, adaptor, generator, discriminator and head."""
