"""Worked adapters: a symbolic music transformer and a small denoiser of audio latents."""
