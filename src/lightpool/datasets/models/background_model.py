"""The model of the background of a dataset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import astropy.units as u
import numpy as np
from numpy.typing import NDArray

from lightpool.arrays import Device
from lightpool.arrays.devices.array_types import Array
from lightpool.attributes import KnownAttributes
from lightpool.bridge import ConvertibleToGammapy
from lightpool.datasets.models.parameters import CovarianceLike, Parameter, Parameters, checked_covariance
from lightpool.datasets.models.spectral_norms import NormSpectralModel, PowerLawNormSpectralModel, find_norm_model
from lightpool.datasets.names import make_name
from lightpool.errors import FormatError
from lightpool.utils.html import Card, ShownInNotebooks

if TYPE_CHECKING:
    from lightpool.maps import Geom

__all__ = ["FoVBackgroundModel", "as_list"]


class _Replaced(TypedDict, total=False):
    """Attributes that a copy of a background model may replace."""

    dataset_name: str
    spectral_model: NormSpectralModel | None
    covariance_data: CovarianceLike | None


class FoVBackgroundModel(ConvertibleToGammapy, KnownAttributes, ShownInNotebooks):
    """The correction of the background of one dataset: a factor that depends on energy.

    Parameters
    ----------
    dataset_name : str
    spectral_model : NormSpectralModel, a power law of norm 1 by default
    name : str, ``<dataset name>-bkg`` by default
    covariance_data : array of float, shape (n_parameter, n_parameter), optional
        Sets the errors of the parameters too.
    """

    _consumed = ("dataset_name", "covariance_data")
    tag = ("FoVBackgroundModel", "fov-bkg")
    datasets_names: list[str]

    def __init__(
        self,
        dataset_name: str,
        spectral_model: NormSpectralModel | None = None,
        name: str | None = None,
        covariance_data: CovarianceLike | None = None,
    ) -> None:
        spectral_model = PowerLawNormSpectralModel() if spectral_model is None else spectral_model
        if not getattr(spectral_model, "is_norm_spectral_model", False):
            got = type(spectral_model).__name__
            raise ValueError(f"a background needs a norm model such as PowerLawNormSpectralModel, got {got}")
        self.datasets_names = [dataset_name]
        self._name = f"{dataset_name}-bkg" if name is None else make_name(name)
        self._spectral_model = spectral_model
        self._covariance = np.zeros((len(self.parameters), len(self.parameters)))
        if covariance_data is not None:
            self.covariance = covariance_data

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._name

    @property
    def spectral_model(self) -> NormSpectralModel:
        """Factor as a function of energy."""
        return self._spectral_model

    @property
    def parameters(self) -> Parameters:
        """Parameters of the spectral model."""
        return self.spectral_model.parameters

    @property
    def parameters_unique_names(self) -> list[str]:
        """Names as in a covariance file, such as ``spectral.norm``."""
        return [f"{self.spectral_model.type}.{name}" for name in self.parameters.names]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the parameters, shape (n_parameter, n_parameter); its diagonal follows their errors."""
        covariance = self._covariance.copy()
        # Errors can be set after the covariance, so the diagonal always comes from them.
        np.fill_diagonal(covariance, self.parameters.error**2)
        return covariance

    @covariance.setter
    def covariance(self, values: CovarianceLike) -> None:
        self._covariance = checked_covariance(values, self.parameters)
        self.parameters.error = np.sqrt(np.diagonal(self._covariance))

    @property
    def frozen(self) -> bool:
        """Whether all parameters are frozen."""
        return self.spectral_model.frozen

    def freeze(self) -> None:
        """Freeze all parameters."""
        self.spectral_model.freeze()

    def unfreeze(self) -> None:
        """Reset the frozen state of every parameter to that of a new model."""
        self.spectral_model.unfreeze()

    def reset_to_default(self) -> None:
        """Reset every parameter to the value of a new model."""
        self.parameters.value = self.spectral_model.default_parameters.value

    def evaluate(self, energy: u.Quantity) -> u.Quantity:
        """Compute the factor at each energy, dimensionless, shape of ``energy``."""
        return self.spectral_model(energy)

    def evaluate_geom(self, geom: "Geom") -> u.Quantity:
        """Compute the factor at the energy centres of a geometry, on the host; its shape broadcasts with the data."""
        return self.evaluate(geom.axes["energy"].center).reshape(_spread_over(geom))

    def factors_on(self, geom: "Geom", device: Device) -> Array:
        """Compute the factors of `evaluate_geom` on a device, without reading back parameters that are stored there.

        Parameters
        ----------
        geom : Geom, with an axis ``energy``
        device : Device

        Returns
        -------
        factors : array of float on ``device``, in a shape that broadcasts with the data of ``geom``
        """
        axis = geom.axes["energy"]
        factors = self.spectral_model.evaluate_on(axis.center, device)
        return device.xp.reshape(factors, _spread_over(geom))

    def copy(self, name: str | None = None, **kwargs: Unpack[_Replaced]) -> "FoVBackgroundModel":
        """Return a deep copy.

        Parameters
        ----------
        name : str
            Without a name, the copy gets the default name for its dataset, as in Gammapy.
        **kwargs : arguments of the class, which replace the attributes of the model
        """
        kwargs.setdefault("dataset_name", self.datasets_names[0])
        kwargs.setdefault("spectral_model", self.spectral_model.copy())
        kwargs.setdefault("covariance_data", self.covariance)
        return FoVBackgroundModel(name=name, **kwargs)

    def reassign(
        self, datasets_names: str | Sequence[str], new_datasets_names: str | Sequence[str]
    ) -> "FoVBackgroundModel":
        """Return a copy of the model that belongs to another dataset.

        Parameters
        ----------
        datasets_names : str or list of str, datasets that are renamed
        new_datasets_names : str or list of str, the new name of each of them, in the same order
        """
        renamed = dict(zip(as_list(datasets_names), as_list(new_datasets_names), strict=True))
        old_name = self.datasets_names[0]
        return self.copy(name=self.name, dataset_name=renamed.get(old_name, old_name))

    def to_dict(self, full_output: bool = False) -> dict[str, Any]:
        """Return a dictionary for YAML, in the layout of Gammapy."""
        head = {"type": self.tag[0], "datasets_names": list(self.datasets_names)}
        return head | self.spectral_model.to_dict(full_output=full_output)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "FoVBackgroundModel":
        """Read the dictionary of `to_dict`."""
        datasets_names = data.get("datasets_names")
        if not datasets_names or len(datasets_names) > 1:
            raise FormatError(f"a FoVBackgroundModel belongs to one dataset, got datasets_names: {datasets_names}")
        if data.get("spatial"):
            raise FormatError(
                f"the background model of dataset {datasets_names[0]!r} has a spatial model, "
                "which is for modelling; lightpool corrects backgrounds as a function of energy"
            )
        spectral = data.get("spectral")
        model = find_norm_model(spectral["type"]).from_dict(spectral) if spectral else None
        return cls(dataset_name=datasets_names[0], spectral_model=model)

    def html_card(self) -> Card:
        """Return what notebooks show of the model."""
        facts = [", ".join(self.datasets_names or ()), type(self.spectral_model).__name__]
        return Card(type(self).__name__, self.name, facts, self.parameters.html_card().sections)

    def __str__(self) -> str:
        lines = [
            type(self).__name__,
            "",
            f"  {'Name':26}: {self.name}",
            f"  {'Datasets names':26}: {self.datasets_names}",
            f"  {'Spectral model type':26}: {type(self.spectral_model).__name__}",
            "  Parameters:",
            *(f"    {_parameter_line(parameter)}" for parameter in self.parameters),
        ]
        return "\n".join(lines) + "\n\n"


def _spread_over(geom: "Geom") -> tuple[int, ...]:
    """Return the shape of one value per energy that broadcasts with the data of a geometry."""
    shape = [1] * len(geom.data_shape)
    shape[geom.axes.index_data("energy")] = geom.axes["energy"].nbin
    # (n_energy, 1, 1) for a map whose only axis is the energy.
    return tuple(shape)


def _parameter_line(parameter: Parameter) -> str:
    frozen = "(frozen)" if parameter.frozen else ""
    error = "   " if parameter.frozen else f"+/- {parameter.error:7.2f}"
    unit = f"{parameter.unit}"
    return f"{parameter.name:21} {frozen:8}: {parameter.value:10.3f}   {error} {unit:12}"


def as_list(names: str | Sequence[str]) -> list[str]:
    """Return a list of names, of one name too."""
    return [names] if isinstance(names, str) else list(names)
