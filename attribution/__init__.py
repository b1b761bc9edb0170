"""Audio, notes or latents in; influence vectors out."""
