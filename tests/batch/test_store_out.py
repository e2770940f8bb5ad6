"""Index files that name the old event files and new background tables, as lightpool and Gammapy read them."""

import shutil

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from lightpool.batch import make_plan, plan_to_resume, run_batch
from lightpool.batch.products.store_out import NewTable, write_store
from lightpool.cli import main
from lightpool.config.background import BackgroundSettings
from lightpool.data import DataStore, HDUIndexTable
from lightpool.errors import ConfigError, ResumeError
from lightpool.makers import BackgroundModel

RADIAL = {
    "energy_axis": {"min": "1 TeV", "max": "10 TeV", "nbin": 4},
    "axes": {"offset": {"max": "2 deg", "nbin": 5}},
}


@pytest.fixture
def settings_of(crab_store, tmp_path):
    def make(**sections):
        data = {
            "observations": {"datastore": str(crab_store)},
            "background": RADIAL,
            "output": {"folder": str(tmp_path / "out"), "compress": False, "store_out": str(tmp_path / "store")},
        }
        for name, section in sections.items():
            data[name] = section if isinstance(section, list) else data.get(name, {}) | section
        return BackgroundSettings.from_dict(data)

    return make


def made(settings):
    run_batch(plan_to_resume(settings), resume=True)
    return DataStore.from_dir(settings.output.store_out)


def test_observations_have_the_old_events_and_the_new_tables(settings_of, crab_store, tmp_path):
    store, old = made(settings_of()), DataStore.from_dir(crab_store)
    assert list(store.obs_table["OBS_ID"]) == list(old.obs_table["OBS_ID"])
    model = BackgroundModel.read(tmp_path / "out/bkg-all.fits")
    for ours, theirs in zip(store.get_observations(), old.get_observations(), strict=True):
        assert len(ours.events.table) == len(theirs.events.table)
        np.testing.assert_array_equal(ours.aeff.data, theirs.aeff.data)
        assert ours.bkg.tag == "bkg_2d"
        np.testing.assert_allclose(ours.bkg.quantity.to_value("s-1 MeV-1 sr-1"), model.table.data, rtol=1e-6)
        assert ours.bkg.data.shape != theirs.bkg.data.shape
    assert not list((tmp_path / "store").glob("**/*events*"))  # nothing is copied
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["hdu-index.fits.gz", "obs-index.fits.gz"]


def test_a_new_table_beside_old_hess_events_keeps_its_alignment(settings_of, crab_store):
    """Tables of that release are mirrored, which their files do not say."""
    axes = {name: {"min": "-2 deg", "max": "2 deg", "nbin": 5} for name in ("fov_lon", "fov_lat")}
    store = made(settings_of(background={"axes": axes}))
    header = {"CREATOR": "SASH FITS::EventListWriter", "HDUVERS": "0.2"}
    new = store.hdu_table.hdu_location(1, "bkg").load(header=header)
    assert (new.tag, str(new.fov_alignment)) == ("bkg_3d", "ALTAZ")
    location = next(
        each
        for obs_id in range(1, 7)
        if (each := DataStore.from_dir(crab_store).hdu_table.hdu_location(obs_id, "bkg")).hdu_class == "bkg_3d"
    )
    assert str(location.load(header=header).fov_alignment) == "REVERSE_LON_RADEC"


def test_paths_are_relative_so_that_all_can_be_moved_together(settings_of, crab_store, tmp_path):
    together = tmp_path / "together"
    together.mkdir()
    shutil.copytree(crab_store, together / "crab")
    settings = settings_of(
        observations={"datastore": str(together / "crab")},
        output={"folder": str(together / "out"), "store_out": str(together / "new")},
    )
    made(settings)
    index = HDUIndexTable.read(together / "new/hdu-index.fits.gz")
    assert set(np.char.strip(np.asarray(index["FILE_DIR"]).astype(str))) == {"../crab/data", "../out"}
    moved = tmp_path / "moved"
    together.rename(moved)
    observation = DataStore.from_dir(moved / "new").obs(3)
    assert len(observation.events.table)
    assert observation.bkg.data.shape == (4, 5)


def test_a_folder_reached_through_a_link_names_files_that_exist(settings_of, tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep/er")
    store = made(settings_of(output={"store_out": str(tmp_path / "link/store")}))
    assert len(store.obs(1).events.table)


def test_each_run_has_a_table_of_its_own_normalised_to_its_counts(settings_of, tmp_path):
    store = made(settings_of(output={"tables": "normalised_runs"}, groups=[{"by": "zenith", "n_bin": 2}]))
    names = {store.hdu_table.hdu_location(obs_id, "bkg").path().name for obs_id in store.obs_ids}
    assert names == {f"bkg-{obs_id}.fits" for obs_id in range(1, 7)}
    one = BackgroundModel.read(tmp_path / "out/observations/bkg-1.fits")
    np.testing.assert_allclose(store.obs(1).bkg.data, one.table.data, rtol=1e-6)
    assert one.norm != 1


@pytest.mark.slow
def test_tables_of_runs_are_interpolated_in_zenith(settings_of, tmp_path):
    groups = [{"by": "zenith", "n_bin": 2, "spacing": "cos_zenith"}]
    made(settings_of(output={"tables": "runs"}, groups=groups))
    plain = {n: BackgroundModel.read(tmp_path / f"out/observations/bkg-{n}.fits").rate for n in range(1, 7)}
    made(settings_of(output={"tables": "runs"}, groups=groups, tables={"interpolate_zenith": True}))
    mixed = {n: BackgroundModel.read(tmp_path / f"out/observations/bkg-{n}.fits").rate for n in range(1, 7)}
    differ = [not np.array_equal(plain[n], mixed[n]) for n in range(1, 7)]
    assert any(differ)
    low, high = (np.min([*plain.values()], axis=0), np.max([*plain.values()], axis=0))
    for rate in mixed.values():
        assert np.all((rate >= low * (1 - 1e-9)) & (rate <= high * (1 + 1e-9)))


@pytest.mark.parametrize(("choice", "has_table"), [("keep", True), ("drop", False)])
def test_runs_without_a_model_keep_or_lose_their_old_table(settings_of, crab_store, caplog, choice, has_table):
    groups = [{"by": "column", "column": "OBS_ID", "edges": [0, 4.5]}]
    store = made(settings_of(groups=groups, output={"without_model": choice}))
    text = "keep their old one" if has_table else "none at all"
    assert f"2 observations in {store.hdu_table.base_dir} have no new background table and {text}: 5, 6" in caplog.text
    location = store.hdu_table.hdu_location(5, "bkg", warn_missing=False)
    assert (location is not None) == has_table
    assert store.hdu_table.hdu_location(4, "bkg").path().name.startswith("bkg-OBS_ID")
    if has_table:
        old = DataStore.from_dir(crab_store).obs(5)
        np.testing.assert_array_equal(store.obs(5).bkg.data, old.bkg.data)
    else:
        assert store.obs(5, required_irf="all-optional").bkg is None


def test_an_index_of_others_is_not_replaced(settings_of, crab_store, tmp_path):
    before = (crab_store / "hdu-index.fits.gz").read_bytes()
    with pytest.raises(ResumeError, match=r"hdu-index\.fits\.gz is an index that `lightpool background` did not write"):
        run_batch(make_plan(settings_of(output={"store_out": str(crab_store)})))
    assert (crab_store / "hdu-index.fits.gz").read_bytes() == before
    assert not (tmp_path / "out/outcomes.ecsv").exists()
    made(settings_of())
    made(settings_of(groups=[{"by": "azimuth"}]))  # ours is


def test_the_option_of_the_command_line_counts(settings_of, tmp_path):
    config = tmp_path / "background.yaml"
    config.write_text(settings_of().to_yaml())
    done = CliRunner().invoke(main, ["background", str(config), "--store-out", str(tmp_path / "other")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "other/hdu-index.fits.gz").exists()
    assert not (tmp_path / "store").exists()


class AtAddress:
    """A store whose files are at an address."""

    def __init__(self, store, address):
        self.hdu_table = store.hdu_table
        self.hdu_table.meta["BASE_DIR"] = address
        self.obs_table = store.obs_table


def test_files_at_addresses_keep_their_address_and_passwords_are_refused(crab_store, tmp_path):
    store = AtAddress(DataStore.from_dir(crab_store), "https://host/store")
    (tmp_path / "bkg.fits").touch()
    write_store(store, tmp_path / "new", [1], {1: NewTable(tmp_path / "bkg.fits", "bkg_2d")}, keep_old=True)
    with fits.open(tmp_path / "new/hdu-index.fits.gz") as hdus:
        rows = {row["HDU_TYPE"].strip(): (row["FILE_DIR"].strip(), row["FILE_NAME"].strip()) for row in hdus[1].data}
    assert rows["events"] == ("https://host/store/data", "run_000001.fits.gz")
    assert rows["bkg"] == ("..", "bkg.fits")
    secret = AtAddress(DataStore.from_dir(crab_store), "https://me:QxyzzyQ@host/store")
    with pytest.raises(ConfigError, match="has a password or a token") as error:
        write_store(secret, tmp_path / "newer", [1], {}, keep_old=True)
    assert "QxyzzyQ" not in str(error.value)
    assert not (tmp_path / "newer").exists()
