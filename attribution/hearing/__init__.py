"""From sound, notes or latents to features."""
