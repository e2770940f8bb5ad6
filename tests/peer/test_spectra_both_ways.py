"""Statistics and spectra: Gammapy gives the same numbers, and each package reads what the other writes."""

from importlib import import_module

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytestmark = pytest.mark.peer

MAPS = ("counts", "counts_off", "acceptance", "acceptance_off", "alpha", "background", "exposure", "mask_safe")


def module(package, name):
    return import_module(f"{package}.{name}")


def spectra(package, n_run=3):
    """Spectra with random counts, acceptances and masks, made by one of the packages with the same lines."""
    maps, datasets, data = (module(package, name) for name in ("maps", "datasets", "data"))
    rng = np.random.default_rng(5)
    energy = maps.MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=6)
    energy_true = maps.MapAxis.from_energy_bounds("0.3 TeV", "40 TeV", nbin=9, name="energy_true")
    geom = maps.RegionGeom.create("icrs;circle(83.63, 22.01, 0.2)", axes=[energy])

    def filled(values):
        return maps.RegionNDMap(geom, data=values.reshape(6, 1, 1), dtype=values.dtype)

    made = datasets.Datasets()
    for i in range(n_run):
        spectrum = datasets.SpectrumDataset.create(geom, energy_axis_true=energy_true, name=f"run-{i}")
        exposure = rng.uniform(1e8, 2e8, (9, 1, 1))
        spectrum.counts = filled(rng.poisson(6.0, 6).astype(float))
        spectrum.exposure = maps.RegionNDMap(
            spectrum.exposure.geom, data=exposure, unit="m2 s", dtype=float, meta={"livetime": (1000 + i) * u.s}
        )
        spectrum.edisp.exposure_map.data = exposure[:, None]
        spectrum.mask_safe = filled(rng.uniform(size=6) > 0.3)
        spectrum.gti = data.GTI.create([1000 * i] * u.s, [1000 * i + 900] * u.s, reference_time="2010-01-01")
        on, off = rng.uniform(0.5, 1, 6), rng.uniform(2, 20, 6)
        made.append(
            datasets.SpectrumDatasetOnOff.from_spectrum_dataset(
                dataset=spectrum,
                acceptance=filled(on),
                acceptance_off=filled(off),
                counts_off=filled(rng.poisson(9.0, 6) * (rng.uniform(size=6) > 0.2) * 1.0),
                name=f"run-{i}",
            )
        )
    return made


def assert_same(found, expected, rtol, without=()):
    for name in MAPS:
        assert_allclose(getattr(found, name).data, getattr(expected, name).data, rtol=rtol, err_msg=name)
    figures = expected.info_dict()
    assert list(found.info_dict()) == list(figures)
    for key, value in figures.items():
        if not isinstance(value, str) and not key.endswith(without):
            assert_allclose(u.Quantity(found.info_dict()[key]).value, u.Quantity(value).value, rtol=rtol, err_msg=key)


def test_spectra_have_the_figures_of_gammapy():
    for ours, theirs in zip(spectra("lightpool"), spectra("gammapy"), strict=True):
        assert_same(ours, theirs, rtol=1e-12)
        assert [line.rstrip() for line in str(ours).splitlines()] == [
            line.rstrip() for line in str(theirs).splitlines()
        ]
        assert_allclose(ours.stat_array(), theirs.stat_array(), rtol=1e-11)
        for energies in (("1 TeV", "10 TeV"), ("0.5 TeV", "3 TeV")):
            cut = [
                dataset.slice_by_energy(*(u.Quantity(e) for e in energies), name="cut") for dataset in (ours, theirs)
            ]
            assert_same(*cut, rtol=1e-12)


def test_stacks_are_those_of_gammapy():
    ours, theirs = (spectra(package).stack_reduce(name="all") for package in ("lightpool", "gammapy"))
    assert_array_equal(ours.counts.data, theirs.counts.data)
    assert_array_equal(ours.mask_safe.data, theirs.mask_safe.data)
    assert_same(ours, theirs, rtol=1e-6)  # Gammapy stacks in float32


def test_tables_of_stacks_are_those_of_gammapy():
    ours, theirs = (spectra(package).info_table(cumulative=True) for package in ("lightpool", "gammapy"))
    for name in ("counts", "counts_off", "excess", "sqrt_ts", "alpha", "acceptance_off"):
        assert_allclose(np.asarray(ours[name], float), np.asarray(theirs[name], float), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(("writer", "reader"), [("lightpool", "gammapy"), ("gammapy", "lightpool")])
@pytest.mark.parametrize("format_", ["ogip", "gadf"])
def test_each_reads_the_files_of_the_other(tmp_path, writer, reader, format_):
    for written in spectra(writer):
        path = tmp_path / f"pha_{written.name}.fits"
        written.write(path, format=format_)
        read = module(reader, "datasets").SpectrumDatasetOnOff.read(path, name=written.name)
        # Gammapy loses the livetime of region maps in its own layout.
        assert_same(read, written, rtol=1e-12, without=() if format_ == "ogip" else ("livetime", "_rate"))
        kernels = [dataset.edisp.get_edisp_kernel().pdf_matrix for dataset in (read, written)]
        assert_allclose(*kernels, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n_sigma", [0.5, 1, 3])
def test_errors_and_limits_are_those_of_gammapy(n_sigma):
    rng = np.random.default_rng(3)
    counts = [rng.poisson(rate, 200).astype(float) for rate in (2.0, 5.0)], rng.uniform(0.02, 2.0, 200)
    known = [counts[0][0], rng.uniform(0.1, 4.0, 200)]
    for name, arguments in {"WStatCountsStatistic": [*counts[0], counts[1]], "CashCountsStatistic": known}.items():
        ours, theirs = (getattr(module(package, "stats"), name)(*arguments) for package in ("lightpool", "gammapy"))
        for method in ("compute_errn", "compute_errp", "compute_upper_limit", "n_sig_matching_significance"):
            found, expected = getattr(ours, method)(n_sigma), getattr(theirs, method)(n_sigma)
            assert_allclose(found, expected, rtol=1e-7, atol=1e-9, err_msg=f"{name} {method}")
        for attribute in ("n_sig", "error", "ts", "sqrt_ts", "p_value", "stat_null", "stat_max"):
            assert_allclose(getattr(ours, attribute), getattr(theirs, attribute), rtol=1e-9, atol=1e-12)
