"""Events with phases, written to a store of its own; background from a range of phases, for a map and a spectrum."""

import sys
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from gammapy.data import DataStore, EventList, Observation, Observations
from gammapy.datasets import Datasets, MapDataset, SpectrumDataset
from gammapy.estimators import ExcessMapEstimator
from gammapy.makers import MapDatasetMaker, PhaseBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion

position = SkyCoord(83.633, 22.014, unit="deg")
observations = Observations()
for observation in DataStore.from_dir(sys.argv[1]).get_observations([1, 2]):
    table = observation.events.table.copy()
    table["PHASE"] = np.mod((observation.events.time - observation.gti.time_ref).to_value("s"), 33.7) / 33.7
    observations.append(
        Observation(
            obs_id=observation.obs_id,
            events=EventList(table),
            gti=observation.gti,
            aeff=observation.aeff,
            edisp=observation.edisp,
            psf=observation.psf,
            bkg=observation.bkg,
            pointing=observation.pointing,
        )
    )
print(observations)

energy = MapAxis.from_energy_bounds(0.3, 30, 2, per_decade=True, unit="TeV")
energy_true = MapAxis.from_energy_bounds(0.1, 60, 3, per_decade=True, unit="TeV", name="energy_true")
phase_maker = PhaseBackgroundMaker(on_phase=(0.1, 0.3), off_phase=(0.5, 1.0), phase_column_name="PHASE")
safe_mask_maker = SafeMaskMaker(methods=["offset-max"], offset_max=2 * u.deg)

geom = WcsGeom.create(skydir=position, width=2, binsz=0.1, axes=[energy])
empty = MapDataset.create(geom=geom, energy_axis_true=energy_true)
maps = Datasets()
for observation in observations:
    dataset = safe_mask_maker.run(MapDatasetMaker().run(empty, observation), observation)
    maps.append(phase_maker.run(dataset, observation))
print(maps[0])
print(maps[1].counts.data.sum(), maps[1].counts_off.data.sum(), np.unique(maps[1].alpha.data))
excess = ExcessMapEstimator("0.2 deg", energy_edges=[0.3, 30] * u.TeV).run(maps[0])
print(f"{np.nanmax(excess.sqrt_ts.data):.6f} {np.nansum(excess.npred_excess.data):.6f}")

geom = RegionGeom.create(CircleSkyRegion(position, 0.2 * u.deg), axes=[energy])
empty = SpectrumDataset.create(geom=geom, energy_axis_true=energy_true)
spectra = Datasets()
for observation in observations:
    dataset = SpectrumDatasetMaker().run(empty.copy(name=f"phases-{observation.obs_id}"), observation)
    spectra.append(phase_maker.run(safe_mask_maker.run(dataset, observation), observation))
    print(spectra[-1].counts.data.squeeze(), spectra[-1].counts_off.data.squeeze())
spectra.models = [SkyModel(PowerLawSpectralModel(index=2, amplitude="1e-12 cm-2 s-1 TeV-1"), name="pulsar")]
spectra[0].mask_fit = geom.energy_mask(energy_min=1 * u.TeV)
print(f"{spectra.stat_sum():.6f}", spectra.is_all_same_type)

spectra.write("datasets.yaml", filename_models="models.yaml", overwrite=True)
again = Datasets.read("datasets.yaml", filename_models="models.yaml")
print(again.names, f"{again.stat_sum():.6f}", len(list(Path().glob("*.fits"))))
result = Fit().run(again)
print(f"{result.total_stat:.2f}")
