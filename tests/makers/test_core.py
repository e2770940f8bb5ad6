import html

from lightpool.makers import DatasetsMaker, FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from lightpool.maps import Map


def test_each_setting_of_a_maker_is_printed_in_one_line():
    text = str(FoVBackgroundMaker("fit", exclusion_mask=Map.create(npix=3, dtype="bool"), min_counts=2))
    assert text.splitlines() == [
        "FoVBackgroundMaker",
        "------------------",
        "",
        "  method               : fit",
        "  exclusion_mask       : WcsNDMap",
        "  spectral_model       : PowerLawNormSpectralModel",
        "  min_counts           : 2",
        "  min_npred_background : 0",
    ]


def test_a_chain_of_makers_names_them():
    chain = DatasetsMaker([MapDatasetMaker(), SafeMaskMaker()])
    assert "  makers           : [MapDatasetMaker, SafeMaskMaker]\n" in str(chain)
    assert "  cutout_width     : 6 deg\n" in str(chain)
    assert chain._repr_html_() == f"<pre>{html.escape(str(chain))}</pre>"


def test_sets_are_printed_in_one_order():
    assert "{'counts', 'exposure'}" in str(MapDatasetMaker(selection=["exposure", "counts"]))
    assert "{'aeff-default', 'offset-max'}" in str(SafeMaskMaker(methods=["offset-max", "aeff-default"]))
