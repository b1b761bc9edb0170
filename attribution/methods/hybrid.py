"""The default: each aspect by the method that the benchmark found best for it.

Recording by decomposition of aligned sound, composition by tunes that align further than chance does in
this catalogue, style by the mixture of bands where the track comes near to one, else by the calibrated
posterior. A sound recording that is heard carries its composition and its style with it: they are at
least what it is.
"""

from __future__ import annotations

from attribution.hearing.features import Features
from attribution.methods import channels
from attribution.methods.chance import chance_in
from attribution.methods.fingerprint import Fingerprint, matches
from attribution.methods.ivd import above_chance, recording_shares, style_shares, tune_shares
from attribution.methods.latent import attribute_latents
from attribution.methods.protocol import Estimate
from ledger.types import Aspect


class Hybrid(Fingerprint):
    """Screen, decide, decompose."""

    name = "hybrid"
    version = "4"

    def attribute(self, item: Features) -> Estimate:
        if item.form == "latents":
            return attribute_latents(self.catalogue, item)
        evidence = channels.gather(self.catalogue, item)
        recording = recording_shares(self.catalogue, item, evidence, self.calibration)
        clear = above_chance(self.catalogue, evidence, self.calibration)
        divided = "style" in clear
        style = style_shares(self.catalogue, evidence, self.calibration) if divided else self.shares(evidence, "style")
        shares: dict[Aspect, dict[str, float]] = {
            "recording": recording,
            "composition": with_recordings(tune_shares(self.catalogue, item, evidence), recording),
            "style": with_recordings(style, recording),
        }
        return Estimate(
            shares=shares,
            above_chance=clear,
            least={} if divided else {"style": chance_in(self.catalogue).groups},
            matches=matches(self.catalogue, item, evidence),
            remarks=item.remarks,
        )


def with_recordings(shares: dict[str, float], recording: dict[str, float]) -> dict[str, float]:
    """Return another aspect's shares, raised to the shares that recordings prove, at most one in total."""
    joint = {name: max(shares.get(name, 0.0), recording.get(name, 0.0)) for name in shares.keys() | recording.keys()}
    proven = sum(recording.values())
    other_total = sum(share for name, share in joint.items() if name not in recording)
    room = max(0.0, 1.0 - sum(share for name, share in joint.items() if name in recording))
    scale = min(1.0, room / other_total) if other_total > 0 and proven > 0 else 1.0
    return {name: share if name in recording else share * scale for name, share in joint.items()}
