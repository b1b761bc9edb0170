"""Style is paid to groups where a track comes near to a recording, and to nobody where it does not."""

from __future__ import annotations

import pytest

from attribution.assemble import assemble
from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index.catalogue import Catalogue
from attribution.lab import synth
from attribution.methods.byname import method
from attribution.methods.calibration import shipped
from attribution.methods.protocol import Estimate

Heard = list[tuple[synth.Truth, Features]]


def listen(world: synth.World, kind: synth.Kind, count: int) -> Heard:
    made = [synth.make_track(world, kind, number, seconds=20.0) for number in range(count)]
    return [(one.truth, features_of_clip(clip_of(one.pcm))) for one in made]


@pytest.fixture(scope="module")
def borrowed(world: synth.World) -> Heard:
    """New notes by the catalogue's bands."""
    return listen(world, "style", 6)


@pytest.fixture(scope="module")
def strange(world: synth.World) -> Heard:
    """Tracks in nobody's style."""
    return [(truth, item) for truth, item in listen(world, "free", 12) if not truth.groups]


def asked(catalogue: Catalogue, name: str, item: Features) -> tuple[Estimate, set[str]]:
    """The estimate of a track, and the style groups that are paid."""
    chosen = method(name)
    chosen.fit(catalogue)
    estimate = chosen.attribute(item)
    styles = dict(zip(catalogue.ids, catalogue.styles, strict=True))
    paid = assemble(estimate, styles, shipped(), name)["style"]
    return estimate, {one.id.removeprefix("style:") for one in paid.sources}


@pytest.mark.parametrize("name", ["ivd", "hybrid"])
def test_new_notes_by_the_catalogues_bands_pay_their_groups(catalogue: Catalogue, borrowed: Heard, name: str) -> None:
    """If this fails, a track made of several manners pays none of their groups."""
    hits = [bool(asked(catalogue, name, item)[1] & set(truth.groups)) for truth, item in borrowed]
    assert sum(hits) > len(hits) / 2


@pytest.mark.parametrize("name", ["ivd", "hybrid"])
def test_a_strangers_style_pays_no_group(catalogue: Catalogue, strange: Heard, name: str) -> None:
    """If this fails, groups are paid for music that is in nobody's style."""
    assert len(strange) >= 4
    assert sum(bool(asked(catalogue, name, item)[1]) for _, item in strange) <= 1


def test_where_nothing_is_near_decomposition_says_nothing_of_style(catalogue: Catalogue, strange: Heard) -> None:
    """If this fails, a track that resembles no band is divided among bands, because some band is always nearest."""
    estimates = [asked(catalogue, "ivd", item)[0] for _, item in strange]
    far = [one for one in estimates if "style" not in one.above_chance]
    assert len(far) >= len(estimates) - 1
    assert all(one.shares["style"] == {} for one in far)
