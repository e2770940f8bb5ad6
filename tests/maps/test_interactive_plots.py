"""Images with sliders: a stand-in for ipywidgets moves each slider to all its places."""

import sys
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from lightpool.maps import LabelMapAxis, Map, MapAxis, RegionNDMap, WcsGeom

plt = pytest.importorskip("matplotlib.pyplot")
ENERGY = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=2)


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn: the values of the controls and the image."""
    found = []

    def interact(draw, **controls):
        names = list(controls)
        for chosen in product(*(control["options"] for control in controls.values())):
            values = [place[1] if isinstance(place, tuple) else place for place in chosen]
            draw(**dict(zip(names, values, strict=True)))
            found.append((chosen, np.asarray(plt.gca().images[-1].get_array())))
            plt.close()

    widgets = SimpleNamespace(interact=interact, SelectionSlider=lambda **kw: kw, RadioButtons=lambda **kw: kw)
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setattr(plt, "show", lambda: None)
    return found


@pytest.mark.slow
def test_each_place_of_the_sliders_draws_its_image(drawn):
    geom = WcsGeom.create(npix=3, binsz=1, axes=[ENERGY, LabelMapAxis(["a", "b"], name="kind")])
    Map.from_geom(geom, data=np.arange(36.0).reshape(geom.data_shape)).plot_interactive(cmap="gray")
    assert len(drawn) == 12
    stretch, energy, kind = drawn[3][0]
    assert (stretch, energy[0], kind[0]) == ("linear", "10.0 TeV - 100 TeV", "b")
    np.testing.assert_array_equal(drawn[3][1], np.arange(27.0, 36.0).reshape(3, 3))


def test_what_has_no_sliders_says_so(drawn, monkeypatch):
    with pytest.raises(TypeError, match=r"Use \.plot\(\)"):
        Map.create(npix=3).plot_interactive()
    with pytest.raises(NotImplementedError, match="RegionNDMap"):
        RegionNDMap.create("icrs;circle(83, 22, 1)", axes=[ENERGY]).plot_interactive()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        Map.create(npix=3, axes=[ENERGY]).plot_interactive()
