"""Makers of users in settings: what may be named, what is refused and how, and when their code runs."""

import sys
import textwrap
from itertools import count

import pytest
from test_settings import map_target, settings_of, spectrum_target

from lightpool.config import Settings
from lightpool.config.build import build_makers
from lightpool.config.own_makers import own_code, require_own_code_as_imported
from lightpool.errors import ConfigError

GOOD = """
    from lightpool.makers import MapDatasetMaker, Maker, SpectrumDatasetMaker


    class Good(Maker):
        tag = "Good"

        def __init__(self, level, width="1 deg", *, flags=None):
            if level == 13:
                raise KeyError("level")
            if isinstance(level, str):
                raise ValueError(f"level must be a number, got {level!r}")
            self.level, self.width, self.flags = level, width, flags

        def run(self, dataset, observation=None):
            return dataset

        class Inner:
            pass


    class AnyOption(Maker):
        def __init__(self, **options):
            self.options = options

        def run(self, dataset, observation=None):
            return dataset


    class Masking(Good):
        def __init__(self, exclusion_mask=None):
            self.exclusion_mask = exclusion_mask


    class WithoutRun(Maker):
        tag = "WithoutRun"


    class NotAMaker:
        def run(self, dataset, observation=None):
            return dataset


    class MyMaps(MapDatasetMaker):
        pass


    class MySpectra(SpectrumDatasetMaker):
        pass


    class MakesAll(Good):
        reads_maps = False


    def function(dataset, observation=None):
        return dataset


    made = Good(1)
"""
numbers = count()


@pytest.fixture
def module(tmp_path):
    """A function that writes a module into the folder of the settings, under a name that no test had before."""

    def write(text=GOOD, name=None):
        name = name or f"makers_of_a_test_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    before = sys.path.copy()
    yield write
    sys.path[:] = before


def built(folder, *steps, target=map_target, **changes):
    first = {"type": "SpectrumDatasetMaker" if target is spectrum_target else "MapDatasetMaker"}
    settings = settings_of(target(makers=[first, *steps], **changes)).resolved(folder)
    return build_makers(settings.targets[0])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Good",
            r"makers.1: got 'Good', expected a maker of .* one of MapDatasetMaker, .*, or module:Class for one of",
        ),
        ("SafeMaskMakr", r"makers.1: got 'SafeMaskMakr', expected a maker .*; did you mean 'SafeMaskMaker'\?"),
        (":Good", r"makers.1.type: got ':Good', expected the module and the class of a maker, as my_makers:MyMaker"),
        ("mine:", "got 'mine:', expected the module and the class"),
        ("mine::Good", "got 'mine::Good', expected the module and the class"),
        ("mine:Good:More", "got 'mine:Good:More', expected the module and the class"),
        ("my makers:Good", "got 'my makers:Good', expected the module and the class"),
        (".mine:Good", "got '.mine:Good', expected the module and the class"),
        ("1mine:Good", "got '1mine:Good', expected the module and the class"),
        ("mine:Good()", r"got 'mine:Good\(\)', expected the module and the class"),
        ("mine.py:Good", r"for the file mine.py write mine:..., and python_path: \.$"),
        ("code/mine.py:Good", r"for the file code/mine.py write mine:..., and python_path: code$"),
        ("__main__:Good", "other processes cannot import __main__; put the maker into a module"),
    ],
)
def test_a_name_that_cannot_be_a_maker_is_refused_with_the_settings(name, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(map_target(makers=[{"type": "MapDatasetMaker"}, {"type": name}]))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Goood", {}, r"has no 'Goood'; did you mean 'Good'\?"),
        ("Other", {}, "has no 'Other'; its makers are Good, AnyOption, Masking, WithoutRun, MyMaps, MySpectra, Makes"),
        ("Good.Missing", {}, "has no 'Good.Missing'"),
        ("Good.Inner", {}, "the class 'Good.Inner' in .* is no maker; derive it from lightpool.makers.Maker"),
        ("NotAMaker", {}, "the class 'NotAMaker' in .* is no maker; derive it from lightpool.makers.Maker"),
        ("WithoutRun", {}, "the class 'WithoutRun' in .* lacks the method run"),
        ("function", {}, "'function' in .* is a function, expected a class of makers"),
        ("made", {}, "'made' in .* is a Good, expected a class of makers"),
        ("Good", {}, "the option 'level' is missing"),
        ("Good", {"levl": 1}, r"unknown option 'levl'; did you mean 'level'\?"),
        ("Good", {"level": 1, "zzz": 1}, "unknown option 'zzz'; its options are level, width, flags"),
        ("Good", {"level": "high"}, "its constructor raised ValueError: level must be a number, got 'high'"),
        ("Good", {"level": 13}, "its constructor raised KeyError: 'level'"),
        ("Masking", {"exclusion_mask": "mask.fits"}, "got the option exclusion_mask, which is made of the exclusion"),
        ("MyMaps", {}, "it bins the events, as a MapDatasetMaker, and must be the first maker"),
        ("MySpectra", {}, "it bins the events, as a SpectrumDatasetMaker, and must be the first maker"),
    ],
)
def test_a_maker_that_cannot_be_built_is_named_with_its_target_and_place(tmp_path, module, name, options, message):
    step = {"type": f"{module()}:{name}", **options}
    with pytest.raises(ConfigError, match=message) as caught:
        built(tmp_path, step)
    assert str(caught.value).startswith(f"target 'crab': makers.1 ({step['type']}) cannot be used: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import lightpool\n1 / 0", r"ZeroDivisionError: division by zero \(.*/{name}.py, line 2\)"),
        ("import not_there_at_all", r"ModuleNotFoundError: No module named 'not_there_at_all' \(.*{name}.py, line 1\)"),
        ("from lightpool.makers import NoSuchMaker", "ImportError: cannot import name 'NoSuchMaker'"),
        ("class Good(:", r"SyntaxError: invalid syntax \({name}.py, line 1\)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("x = '\N{EURO SIGN}'".encode("latin1", "replace").decode() + "\nx +", "SyntaxError: invalid syntax"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(tmp_path, module, text, message):
    name = module(text)
    with pytest.raises(ConfigError, match=f"the module '{name}' cannot be imported: {message.format(name=name)}"):
        built(tmp_path, {"type": f"{name}:Good"})


def test_a_module_that_is_not_found_is_told_with_the_folders(tmp_path, module):
    with pytest.raises(ConfigError, match=rf"no module 'not_there' in {tmp_path}, in PYTHONPATH, or among the inst"):
        built(tmp_path, {"type": "not_there:Good"})
    with pytest.raises(ConfigError, match=r"there is no module 'numpy.not_there'"):
        built(tmp_path, {"type": "numpy.not_there:Good"})
    with pytest.raises(ConfigError, match=r"there is no folder .*elsewhere, in which modules are searched"):
        built(tmp_path, {"type": "not_there:Good", "python_path": "elsewhere"})
    # what is installed is found first, and could be meant by nobody
    module(name="colorsys")
    with pytest.raises(ConfigError, match=r"colorsys.py is hidden by .*colorsys.py, which has the same name .*rename"):
        built(tmp_path, {"type": "colorsys:Good", "level": 1})


def test_options_arrive_as_they_are_in_the_file(tmp_path, module):
    name = module()
    options = "{a: null, b: [1, null, {c: 2.5}], d: .inf, e: 1 deg, f: true, g: 2004-03-26, class: x}"
    (tmp_path / "crab.yaml").write_text(
        "observations: {datastore: /store}\n"
        "targets:\n"
        "  - {name: crab, kind: map, center: Crab, width: 2 deg, energy: {edges: [1 TeV, 10 TeV]},\n"
        f"     makers: [{{type: MapDatasetMaker}}, {{type: {name}:AnyOption, <<: {options}}}]}}\n"
    )
    settings = Settings.read(tmp_path / "crab.yaml")
    again = Settings.from_dict(settings.to_dict())
    assert again == settings
    assert again.hash() == settings.hash()
    for each in (settings, again):
        maker = build_makers(each.targets[0])[1]
        expected = {"a": None, "b": [1, None, {"c": 2.5}], "d": float("inf"), "e": "1 deg", "f": True}
        assert maker.options == expected | {"g": "2004-03-26", "class": "x"}


def test_a_maker_that_has_an_argument_for_it_gets_the_exclusion_mask_of_its_target(tmp_path, module):
    step = {"type": f"{module()}:Masking"}
    assert built(tmp_path, step)[1].exclusion_mask is None
    mask = built(tmp_path, step, exclusion=["icrs; circle(83.63, 22.01, 0.5)"])[1].exclusion_mask
    assert mask.is_mask
    assert 0 < int((~mask.data).sum()) < mask.data.size


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        (map_target, "MyMaps", None),
        (map_target, "MakesAll", None),
        (spectrum_target, "MySpectra", None),
        (map_target, "MySpectra", "that of a map must be derived from MapDatasetMaker"),
        (spectrum_target, "MyMaps", "that of a spectrum must be derived from SpectrumDatasetMaker"),
        (map_target, "Good", "the first maker is given a dataset without values .* derive it from MapDatasetMaker"),
        (spectrum_target, "Good", "derive it from SpectrumDatasetMaker, set reads_maps = False"),
    ],
)
def test_the_first_maker_has_to_make_the_maps(tmp_path, module, target, name, message):
    step = {"type": f"{module()}:{name}"} | ({"level": 1} if name in ("Good", "MakesAll") else {})
    settings = settings_of(target(makers=[step])).resolved(tmp_path)
    if message is None:
        assert type(build_makers(settings.targets[0])[0]).__name__ == name
        return
    with pytest.raises(ConfigError, match=message):
        build_makers(settings.targets[0])


def test_off_runs_need_a_map_maker_before_them(tmp_path, module):
    steps = [{"type": f"{module()}:MakesAll", "level": 1}, {"type": "OffRunsBackgroundMaker", "datastore": "store"}]
    settings = settings_of(map_target(makers=steps)).resolved(tmp_path)
    with pytest.raises(ConfigError, match=r"OffRunsBackgroundMaker cannot be used"):
        build_makers(settings.targets[0])


def test_own_makers_stand_in_targets_of_all_kinds_and_their_unknown_keys_are_no_errors(tmp_path, module):
    step = {"type": f"{module()}:Good", "level": 1, "flags": ["a"]}
    healpix = {"kind": "healpix", "name": "hpx", "center": "Crab", "nside": 64, "energy": {"edges": ["1 TeV", "2 TeV"]}}
    healpix["makers"] = [{"type": "MapDatasetMaker"}, step]
    for target in (map_target(makers=[{"type": "MapDatasetMaker"}, step]), healpix):
        settings = settings_of(target).resolved(tmp_path)
        assert build_makers(settings.targets[0])[1].flags == ["a"]
    assert built(tmp_path, step, target=spectrum_target)[1].level == 1
    with pytest.raises(ConfigError, match=r"makers.1.metods: unknown key; did you mean 'methods'\?"):
        built(tmp_path, {"type": "SafeMaskMaker", "metods": []})


def test_no_code_runs_when_settings_are_read(tmp_path, module):
    name = module("raise AssertionError('this code was run')")
    settings = settings_of(map_target(makers=[{"type": "MapDatasetMaker"}, {"type": f"{name}:Good"}]))
    settings.resolved(tmp_path).hash()
    assert name not in sys.modules


def test_the_hash_sees_options_and_not_where_the_code_is(tmp_path, module):
    name = module()

    def hash_of(folder=tmp_path, **options):
        target = map_target(makers=[{"type": "MapDatasetMaker"}, {"type": f"{name}:Good", **options}])
        return settings_of(target).resolved(folder).hash()

    assert hash_of(level=1) == hash_of(tmp_path / "elsewhere", level=1) == hash_of(level=1, python_path="/else")
    assert hash_of(level=1) != hash_of(level=2)
    assert hash_of(level=1) != hash_of(level=1, width=None)


def test_the_version_of_a_maker_changes_with_its_sources_and_with_nothing_else(tmp_path, module, monkeypatch):
    helper = module("def level():\n    return 1")
    base = module("from lightpool.makers import Maker\nclass Base(Maker):\n    pass")
    text = f"""
        from {base} import Base


        class Good(Base):
            def run(self, dataset, observation=None):
                import {helper}

                return dataset
    """
    name = module(text)
    settings = settings_of(map_target(makers=[{"type": "MapDatasetMaker"}, {"type": f"{name}:Good"}]))
    settings = settings.resolved(tmp_path)

    def version():
        for each in (name, helper, base):
            sys.modules.pop(each, None)  # as in a new process
        found = own_code(settings)
        assert set(found) == {name, base}
        return found[name]

    first = version()
    assert first.startswith("source.")
    (tmp_path / "other.py").write_text("nobody imports it")
    assert version() == first
    versions = {first}
    for each in (name, helper, base):
        (tmp_path / f"{each}.py").write_text((tmp_path / f"{each}.py").read_text() + "\n# changed\n")
        versions.add(version())
    assert len(versions) == 4
    require_own_code_as_imported(settings)
    (tmp_path / f"{helper}.py").write_text("def level():\n    return 2")
    with pytest.raises(ConfigError, match=f"the sources of {name} have changed since this process imported it; start"):
        require_own_code_as_imported(settings)
    assert own_code(settings)[name] not in (version(),)


def test_the_version_of_a_package_without_an_init_file_is_that_of_all_its_files(tmp_path, module):
    package, helper, lonely = (tmp_path / f"{word}_of_a_test_{next(numbers)}" for word in ("makers", "helper", "other"))
    for folder in (package / "inner", helper, lonely):
        folder.mkdir(parents=True)
    inner, near, far = package / "inner" / "steps.py", package / "near.py", helper / "level.py"
    inner.write_text(f"from {package.name}.near import x\nfrom {helper.name} import level\n{textwrap.dedent(GOOD)}")
    near.write_text("x = 1")
    far.write_text("x = 1")
    (lonely / "unused.py").write_text("x = 1")
    step = {"type": f"{package.name}.inner.steps:Good", "level": 1}
    settings = settings_of(map_target(makers=[{"type": "MapDatasetMaker"}, step])).resolved(tmp_path)

    def version():
        for name in [each for each in sys.modules if each.startswith((package.name, helper.name))]:
            del sys.modules[name]
        return own_code(settings)[f"{package.name}.inner.steps"]

    first = version()
    (lonely / "unused.py").write_text("x = 22")
    assert version() == first
    versions = {first}
    for file in (inner, near, far):
        file.write_text(file.read_text() + "\n# changed\n")
        versions.add(version())
    assert len(versions) == 4
    require_own_code_as_imported(settings)


def test_a_package_without_an_init_file_that_is_hidden_is_told(tmp_path, module):
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "mine.py").write_text(textwrap.dedent(GOOD))
    with pytest.raises(ConfigError, match=r"/json is hidden by .*json/__init__.py, which has the same name"):
        built(tmp_path, {"type": "json.mine:Good", "level": 1})


RAISES = """
    from lightpool.makers import Maker


    class Quits(Maker):
        def __init__(self):
            raise SystemExit(0)

        def run(self, dataset, observation=None):
            return dataset


    def __getattr__(name):
        raise RuntimeError(f"no {name}")
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [("Quits", "its constructor raised SystemExit: 0"), ("Other", "'Other' in .* raised RuntimeError: no Other")],
)
def test_whatever_code_of_users_raises_is_told(tmp_path, module, name, message):
    with pytest.raises(ConfigError, match=message):
        built(tmp_path, {"type": f"{module(RAISES)}:{name}"})


def test_the_version_of_a_package_is_that_of_all_its_files(tmp_path, monkeypatch):
    package = tmp_path / f"package_of_a_test_{next(numbers)}"
    (package / "inner").mkdir(parents=True)
    for file in ("__init__.py", "inner/__init__.py", "inner/unused.py"):
        (package / file).write_text("")
    (package / "inner" / "makers.py").write_text(textwrap.dedent(GOOD))
    settings = settings_of(
        map_target(makers=[{"type": "MapDatasetMaker"}, {"type": f"{package.name}.inner.makers:Good", "level": 1}])
    )
    monkeypatch.syspath_prepend(str(tmp_path))  # as PYTHONPATH does
    found = own_code(settings)
    assert list(found) == [f"{package.name}.inner.makers"]
    (package / "inner" / "unused.py").write_text("x = 1")
    for name in [each for each in sys.modules if each.startswith(package.name)]:
        del sys.modules[name]
    assert own_code(settings) != found


@pytest.mark.slow
def test_makers_of_lightpool_can_be_named_in_this_way_too_and_have_no_version_of_their_own(tmp_path):
    step = {"type": "lightpool.makers:SafeMaskMaker", "methods": ["offset-max"], "offset_max": "1 deg"}
    settings = settings_of(map_target(makers=[{"type": "MapDatasetMaker"}, step])).resolved(tmp_path)
    assert build_makers(settings.targets[0])[1].offset_max.deg == 1
    assert own_code(settings) == {}
