"""Event lists, good time intervals, pointings, observations and data stores."""

from lightpool.data.data_store import DataStore, MissingRequiredHDUError
from lightpool.data.drift import tracking_pieces
from lightpool.data.event_list import EventList
from lightpool.data.event_types import EventTypeCounts, count_event_types, split_by_responses
from lightpool.data.files.file_cache import FILE_CACHE, FileCache
from lightpool.data.files.hdu_location import HDULocation
from lightpool.data.filters import ObservationFilter
from lightpool.data.gti import GTI
from lightpool.data.metadata import EventListMetaData, GTIMetaData, ObservationMetaData
from lightpool.data.obs_table import ObservationTable
from lightpool.data.observation import Observation
from lightpool.data.observations import Observations
from lightpool.data.observatories import observatory_locations
from lightpool.data.pointing import FixedPointingInfo, PointingInfo, PointingMode
from lightpool.data.response_sets import ResponseSet, find_response_sets
from lightpool.data.store.hdu_index import HDUIndexTable
from lightpool.data.utils import get_irfs_features
from lightpool.names import show_public

__all__ = [
    "FILE_CACHE",
    "GTI",
    "DataStore",
    "EventList",
    "EventListMetaData",
    "EventTypeCounts",
    "FileCache",
    "FixedPointingInfo",
    "GTIMetaData",
    "HDUIndexTable",
    "HDULocation",
    "MissingRequiredHDUError",
    "Observation",
    "ObservationFilter",
    "ObservationMetaData",
    "ObservationTable",
    "Observations",
    "PointingInfo",
    "PointingMode",
    "ResponseSet",
    "count_event_types",
    "find_response_sets",
    "get_irfs_features",
    "observatory_locations",
    "split_by_responses",
    "tracking_pieces",
]

show_public(__name__)
