"""Pages in docs/how_to run on real data too, in place of what they simulate."""

import pytest
from pages import HOW_TO, check_here

pytestmark = [pytest.mark.reference, pytest.mark.slow]
PAGES = {page.stem: page for page in HOW_TO}


@pytest.mark.parametrize(
    ("name", "data", "further"),
    [
        ("ring_map", "hess-dl3-dr1", {}),
        ("ring_map", "hess-dl3-dr1", {"SkyCoord(83.633, 22.014": "SkyCoord(228.53, -59.16"}),
        ("spectrum_to_xspec", "hess-dl3-dr1", {}),
        ("nightly_stacks", "hess-dl3-dr1", {}),
        ("pulsar_phases", "hess-dl3-dr1", {"in store.obs_ids": "in [23523, 23526]"}),
        ("rad_max", "magic-rad-max", {}),
    ],
)
def test_a_page_runs_on_data_of_a_telescope(name, data, further, shared, tmp_path):
    folder = str(shared / "data" / data)
    places = {'from_dir("runs")': f'from_dir("{folder}")', "datastore: runs": f"datastore: {folder}"}
    check_here(PAGES[name], tmp_path, places | further)
