"""Positions of well-known gamma-ray sources, so that a source can be named without a network."""

import re
from difflib import get_close_matches

__all__ = ["SOURCE_NAMES", "known_source", "name_key", "similar_names"]

_SOURCES: dict[str, tuple[float | str, ...]] = {
    "1ES 0033+595": (8.968975, 59.834497),
    "1ES 0229+200": (38.202563, 20.288191, "HESS J0232+202"),
    "1ES 0347-121": (57.346608, -11.990858, "HESS J0349-119"),
    "1ES 0414+009": (64.218738, 1.089994, "HESS J0416+010"),
    "1ES 0502+675": (76.984058, 67.623406),
    "1ES 0647+250": (102.693709, 25.049895),
    "1ES 0806+524": (122.454945, 52.316181),
    "1ES 1011+496": (153.767249, 49.433529),
    "1ES 1101-232": (165.906692, -23.491975, "HESS J1103-234"),
    "1ES 1215+303": (184.467008, 30.116843),
    "1ES 1218+304": (185.341428, 30.176989),
    "1ES 1727+502": (262.0776, 50.219575),
    "1ES 1741+196": (265.990969, 19.585838),
    "1ES 1959+650": (299.999384, 65.148514),
    "1ES 2344+514": (356.770153, 51.704967),
    "3C 273": (187.277915, 2.052388),
    "3C 279": (194.046527, -5.789314),
    "3C 58": (31.4043, 64.8283),
    "3C 66A": (35.66505, 43.035522),
    "AP Librae": (229.424221, -24.372076, "AP Lib", "HESS J1517-243"),
    "BL Lac": (330.680381, 42.277772, "BL Lacertae"),
    "Boomerang": (337.25, 61.2, "Boomerang PWN"),
    "Cas A": (350.85, 58.815, "Cassiopeia A"),
    "Cen A": (201.365063, -43.019113, "Centaurus A", "HESS J1325-430"),
    "Crab": (
        83.633083,
        22.0145,
        "Crab nebula",
        "Crab pulsar",
        "M 1",
        "PSR B0531+21",
        "PSR J0534+2200",
        "Taurus A",
        "HESS J0534+220",
    ),
    "CTA 1": (1.65, 72.783),
    "CTB 37A": (258.643, -38.549, "HESS J1714-385"),
    "CTB 37B": (258.42921, -38.17011, "HESS J1713-381"),
    "Dragonfly": (305.27252, 36.85126),
    "Gamma Cygni": (305.557091, 40.256679),
    "Geminga": (98.475637, 17.770253, "PSR J0633+1746"),
    "H 1426+428": (217.135871, 42.672513),
    "H 2356-309": (359.782958, -30.627969, "HESS J2359-306"),
    "HESS J0632+057": (98.246894, 5.800327, "HD 259440"),
    "HESS J1303-631": (195.75167, -63.19861),
    "HESS J1640-465": (250.125, -46.55),
    "HESS J1731-347": (262.97917, -34.71),
    "HESS J1825-137": (276.55441, -13.58004),
    "HESS J1834-087": (278.715833, -8.743944, "W 41"),
    "HESS J1837-069": (279.42792, -6.9275),
    "IC 310": (49.179271, 41.324767),
    "IC 443": (94.51125, 22.66),
    "Kes 75": (281.5, -2.9, "HESS J1846-029"),
    "LS 5039": (276.562732, -14.848417, "HESS J1826-148"),
    "LS I +61 303": (40.131935, 61.229333),
    "M 82": (148.968458, 69.679703),
    "M 87": (187.70593, 12.391123, "Vir A", "Virgo A", "HESS J1230+123"),
    "MGRO J1908+06": (287.175, 6.183, "HESS J1908+063"),
    "Mrk 180": (174.110035, 70.157585, "Markarian 180", "Mkn 180"),
    "Mrk 421": (166.113808, 38.208833, "Markarian 421", "Mkn 421", "HESS J1104+382"),
    "Mrk 501": (253.467569, 39.760169, "Markarian 501", "Mkn 501"),
    "MSH 15-52": (228.529167, -59.1575, "MSH 15-5-02", "MSH 15-502", "PSR B1509-58", "HESS J1514-591"),
    "N 132D": (81.259167, -69.644167, "HESS J0525-696"),
    "N 157B": (84.44443, -69.17141, "HESS J0537-691"),
    "NGC 1275": (49.950667, 41.511696, "Per A", "Perseus A"),
    "NGC 253": (11.888058, -25.28822, "HESS J0047-253"),
    "PG 1553+113": (238.92935, 11.190102, "HESS J1555+111"),
    "PKS 0301-243": (45.860417, -24.119861, "HESS J0303-241"),
    "PKS 0447-439": (72.352917, -43.835814),
    "PKS 0548-322": (87.668988, -32.271247, "HESS J0550-322"),
    "PKS 1222+216": (186.22692, 21.379562, "4C 21.35"),
    "PKS 1424+240": (216.751632, 23.80001),
    "PKS 1441+25": (220.987051, 25.029025),
    "PKS 1510-089": (228.210554, -9.099951, "HESS J1512-090"),
    "PKS 2005-489": (302.355795, -48.831589, "HESS J2009-488"),
    "PKS 2155-304": (329.716938, -30.225588, "HESS J2158-302"),
    "PSR B1259-63": (195.698563, -63.835742, "SS 2883", "HESS J1302-638"),
    "RCW 86": (220.1208, -62.645, "HESS J1442-624"),
    "RGB J0710+591": (107.625325, 59.139028),
    "RX J1713.7-3946": (258.355011, -39.771, "RX J1713", "HESS J1713-397"),
    "S5 0716+714": (110.472702, 71.343434),
    "Sgr A*": (
        266.416837,
        -29.00781,
        "Galactic Centre",
        "Galactic Center",
        "GC",
        "Sgr A",
        "Sagittarius A*",
        "HESS J1745-290",
    ),
    "SN 1006": (225.59208, -42.09694, "HESS J1502-421", "HESS J1504-418"),
    "SNR G0.9+0.1": (266.825, -28.15, "G0.9+0.1", "HESS J1747-281"),
    "SNR G21.5-0.9": (278.25, -10.5, "G21.5-0.9", "HESS J1833-105"),
    "Terzan 5": (267.020833, -24.78, "HESS J1747-248"),
    "TeV J2032+4130": (308.025, 41.567),
    "Tycho": (6.3397, 64.1408, "Tycho SNR", "SN 1572"),
    "Vela": (128.836061, -45.176431, "Vela pulsar", "PSR B0833-45", "PSR J0835-4510"),
    "Vela Junior": (133.0, -46.333, "Vela Jr", "RX J0852.0-4622", "HESS J0852-463"),
    "Vela X": (128.287, -45.19, "HESS J0835-455"),
    "W 28": (270.34458, -23.28889, "HESS J1801-233"),
    "W 49B": (287.7458, 9.1017, "HESS J1911+090"),
    "W 51C": (290.818, 14.145, "W 51", "HESS J1923+141"),
    "W Comae": (185.382044, 28.232917, "W Com"),
    "Westerlund 1": (251.5, -45.8, "Wd 1", "HESS J1646-458"),
    "Westerlund 2": (155.75, -57.5, "HESS J1023-575"),
}
"""Right ascension and declination, deg, ICRS, and other names.

Positions are those of SIMBAD, most of them as collected by the catalogue gamma-cat; those of extended sources that
SIMBAD lacks are from the papers that gamma-cat names. Crab, Geminga and Vela are the pulsars.
"""

SOURCE_NAMES = tuple(_SOURCES)


def name_key(name: str) -> str:
    """Return what two spellings of a name share: no spaces, small letters, and the minus sign of keyboards.

    Parameters
    ----------
    name : str
    """
    return re.sub(r"[\s_]+", "", name).lower().translate({0x2212: "-", 0x2013: "-"})


_NAMES = {name_key(str(text)): name for name, entry in _SOURCES.items() for text in (name, *entry[2:])}


def known_source(name: str) -> tuple[float, float] | None:
    """Return the right ascension and declination of a source, deg, ICRS; None if it is not in the list.

    Parameters
    ----------
    name : str
        In any case, with or without spaces.
    """
    known = _NAMES.get(name_key(name))
    if known is None:
        return None
    lon, lat = _SOURCES[known][:2]
    return float(lon), float(lat)


def similar_names(name: str) -> list[str]:
    """Return the names in the list that are spelled like this one, the nearest first.

    Parameters
    ----------
    name : str
    """
    keys = get_close_matches(name_key(name), _NAMES, n=3, cutoff=0.7)
    return list(dict.fromkeys(_NAMES[key] for key in keys))
