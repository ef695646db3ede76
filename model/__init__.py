"""The networks: frozen CLIP, semantic prompts, prompted adaptor, generator, discriminator, and their checkpoints."""
