"""The same source by configuration: `Analysis` in three dimensions, then as a spectrum."""

import sys

from gammapy.analysis import Analysis, AnalysisConfig
from gammapy.modeling.models import Models, PointSpatialModel, PowerLawSpectralModel, SkyModel

CONFIG = """
general: {log: {level: warning}}
observations:
    datastore: STORE
    obs_ids: [1, 2, 3]
    required_irf: [aeff, edisp, psf, bkg]
datasets:
    type: TYPE
    stack: true
    geom:
        wcs:
            skydir: {frame: icrs, lon: 83.633 deg, lat: 22.014 deg}
            binsize: 0.08 deg
            width: {width: 2 deg, height: 2 deg}
            binsize_irf: 0.2 deg
        selection: {offset_max: 2 deg}
        axes:
            energy: {min: 0.5 TeV, max: 20 TeV, nbins: 4}
            energy_true: {min: 0.2 TeV, max: 50 TeV, nbins: 7}
    map_selection: [counts, exposure, background, psf, edisp]
    background: BACKGROUND
    safe_mask: {methods: [aeff-default, offset-max], parameters: {offset_max: 1.8 deg}}
    on_region: {frame: icrs, lon: 83.633 deg, lat: 22.014 deg, radius: 0.12 deg}
    containment_correction: true
fit:
    fit_range: {min: 0.6 TeV, max: 20 TeV}
flux_points:
    energy: {min: 0.6 TeV, max: 20 TeV, nbins: 2}
    source: crab
    parameters: {selection_optional: [ul]}
excess_map:
    correlation_radius: 0.15 deg
    energy_edges: {min: 0.5 TeV, max: 20 TeV, nbins: 1}
"""


def run(kind, background):
    """Reduce, fit and print."""
    text = CONFIG.replace("STORE", sys.argv[1]).replace("TYPE", kind).replace("BACKGROUND", background)
    analysis = Analysis(AnalysisConfig.from_yaml(text))
    analysis.get_observations()
    analysis.get_datasets()
    dataset = analysis.datasets["stacked"]
    print(dataset)
    spectral = PowerLawSpectralModel(index=2.6, amplitude="3e-11 cm-2 s-1 TeV-1")
    spatial = None
    if kind == "3d":
        analysis.get_excess_map()
        print(f"{analysis.excess_map.sqrt_ts.data.max():.5f}")
        spatial = PointSpatialModel(lon_0="83.633 deg", lat_0="22.014 deg", frame="icrs")
        spatial.parameters.freeze_all()
    analysis.set_models(Models([SkyModel(spectral, spatial, name="crab")]))
    analysis.run_fit()
    print(analysis.models)
    print(f"{analysis.fit_result.total_stat:.2f}")
    analysis.get_flux_points()
    for row in analysis.flux_points.data.to_table(sed_type="dnde"):
        print(f"{row['e_ref']:.4f} {row['dnde']:.3e} {row['dnde_err']:.2e}")


run("3d", "{method: fov_background, parameters: {method: scale}}")
run("1d", "{method: reflected, parameters: {}}")
