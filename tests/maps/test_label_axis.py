import pickle

import pytest
from astropy.table import Table
from numpy.testing import assert_array_equal

from lightpool.errors import FormatError
from lightpool.maps import LabelMapAxis, MapAxis


@pytest.fixture
def axis():
    return LabelMapAxis(["vega", "crab", "m87"], name="source")


def test_labels_are_bins_of_width_one(axis):
    assert axis.nbin == 3
    assert axis.node_type == "label"
    assert_array_equal(axis.bin_width, [1, 1, 1])
    assert axis.center.tolist() == axis.edges_min.tolist() == ["vega", "crab", "m87"]
    with pytest.raises(ValueError, match="has no edges"):
        _ = axis.edges


def test_labels_and_their_numbers(axis):
    assert axis.coord_to_idx("crab") == 1
    assert axis.coord_to_idx([["m87", "vega"]]).tolist() == [[2, 0]]
    assert axis.coord_to_pix(["m87"]).tolist() == [2.0]
    assert axis.pix_to_coord([0.2, 1.9]).tolist() == ["vega", "m87"]
    assert axis.pix_to_idx([-1, 1, 3]).tolist() == [-1, 1, -1]
    assert axis.pix_to_idx([-1, 1, 3], clip=True).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"has no label \['mkn421'\]"):
        axis.coord_to_idx(["crab", "mkn421"])


def test_other_axes_from_labels(axis):
    assert axis.slice(slice(1, None)).center.tolist() == ["crab", "m87"]
    assert axis.squash().center.tolist() == ["vega...m87"]
    assert LabelMapAxis.from_stack([axis.slice(slice(0, 1)), axis.slice(slice(1, 3))]) == axis
    assert axis.rename("dataset").name == "dataset"
    with pytest.raises(ValueError, match="same name"):
        axis.concatenate(axis.rename("dataset"))
    with pytest.raises(ValueError, match="unique labels"):
        axis.concatenate(axis)
    with pytest.raises(TypeError, match="LabelMapAxis is needed"):
        axis.concatenate(MapAxis([1, 2]))


@pytest.mark.parametrize("change", ["upsample", "downsample", "resample", "pad"])
def test_labels_have_no_finer_or_coarser_bins(axis, change):
    with pytest.raises(TypeError, match="has labels and no bins"):
        getattr(axis, change)(2)


def test_a_label_axis_is_equal_to_its_copies_and_to_nothing_else(axis):
    assert axis == axis.copy() == pickle.loads(pickle.dumps(axis))
    assert hash(axis) == hash(axis.copy())
    assert axis != axis.slice(slice(0, 2))
    assert axis != axis.rename("dataset")
    assert axis != MapAxis([1, 2], name="source")


def test_labels_that_repeat_or_are_nested_are_refused():
    with pytest.raises(ValueError, match=r"these repeat: \['a'\]"):
        LabelMapAxis(["a", "b", "a"])
    with pytest.raises(ValueError, match="a sequence of labels"):
        LabelMapAxis([["a"]])


def test_a_label_axis_is_read_from_the_column_of_a_table(axis):
    table = Table({"SOURCE": ["vega", "vega", "crab", "m87"], "X": [1, 2, 3, 4]}, meta={"AXCOLS1": "SOURCE"})
    assert LabelMapAxis.from_table(table) == axis
    assert axis.to_header(idx=3)["AXCOLS3"] == "SOURCE"
    table.meta["AXCOLS1"] = "X"
    with pytest.raises(FormatError, match="no column of text"):
        LabelMapAxis.from_table(table)
    with pytest.raises(ValueError, match="only the format 'gadf'"):
        axis.to_header(format="ogip")


def test_the_text_of_a_label_axis_lists_its_labels(axis):
    assert repr(axis) == (
        "LabelMapAxis\n------------\n\n  name       : source    \n  nbins      : 3         \n"
        "  node type  : label     \n  labels     : ['vega', 'crab', 'm87']\n"
    )
    assert axis.as_plot_labels == ["vega", "crab", "m87"]
