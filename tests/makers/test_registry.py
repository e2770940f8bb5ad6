"""Makers by their tags."""

import pytest

from lightpool.makers import MAKER_REGISTRY, FoVBackgroundMaker


def test_makers_are_found_by_their_tags():
    assert MAKER_REGISTRY.get_cls("FoVBackgroundMaker") is FoVBackgroundMaker
    assert len({maker.tag for maker in MAKER_REGISTRY}) == len(MAKER_REGISTRY)
    assert "SafeMaskMaker" in str(MAKER_REGISTRY)
    with pytest.raises(KeyError, match="the tags are ReflectedRegionsBackgroundMaker"):
        MAKER_REGISTRY.get_cls("magic")
