"""Text of a dataset for ``print``."""

from lightpool.datasets.base import DatasetBase
from lightpool.datasets.info_dict import InfoDict

__all__ = ["summary_rows", "summary_text"]


def summary_rows(dataset: DatasetBase, info: InfoDict) -> list[dict[str, object]]:
    """Return the values in the summary of a dataset by their labels, paragraph by paragraph as Gammapy prints them.

    Parameters
    ----------
    dataset : DatasetBase
    info : dict, its summary values
    """
    models = dataset.models
    parameters = [] if models is None else models.parameters
    return [
        {"Name": info["name"]},
        {
            "Total counts": f"{info['counts']:.0f}",
            "Total background counts": f"{info['background']:.2f}",
            "Total excess counts": f"{info['excess']:.2f}",
        },
        {
            "Predicted counts": f"{info['npred']:.2f}",
            "Predicted background counts": f"{info['npred_background']:.2f}",
            "Predicted excess counts": f"{info['npred_signal']:.2f}",
        },
        {
            "Exposure min": f"{info['exposure_min']:.2e}",
            "Exposure max": f"{info['exposure_max']:.2e}",
        },
        {
            "Number of total bins": info["n_bins"],
            "Number of fit bins": info["n_fit_bins"],
        },
        {
            "Fit statistic type": info["stat_type"],
            "Fit statistic value (-2 log(L))": f"{info['stat_sum']:.2f}",
        },
        {
            "Number of models": 0 if models is None else len(models),
            "Number of parameters": len(parameters),
            "Number of free parameters": sum(not parameter.frozen for parameter in parameters),
        },
    ]


def summary_text(dataset: DatasetBase, info: InfoDict) -> str:
    """Return the summary of a dataset, line by line as Gammapy prints it.

    Parameters
    ----------
    dataset : DatasetBase
    info : dict, its summary values
    """
    title = type(dataset).__name__
    lines = [title, "-" * len(title), ""]
    for paragraph in summary_rows(dataset, info):
        lines += [*(f"  {label:32}: {value}" for label, value in paragraph.items()), ""]
    if dataset.models is not None:
        lines += [f"  {line}" for line in str(dataset.models).splitlines()[2:]]
    return "\n".join(lines) + "\n"
