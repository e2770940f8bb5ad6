"""Tasks, each in an environment of its own: ``nox -l`` lists them, ``nox -s lint types test`` runs some.

What follows ``--`` is passed on: ``nox -s test -- tests/maps -k projection``.
"""

import os

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "test"]
nox.options.reuse_existing_virtualenvs = True

ONE_THREAD = {"MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
"""One process for each core, and one thread for each process."""


@nox.session
def lint(session: nox.Session) -> None:
    """Format and lint all files: the hooks of pre-commit."""
    session.install("pre-commit")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types."""
    session.install("-e", ".[dev]")
    session.run("mypy", *session.posargs)


@nox.session
def test(session: nox.Session) -> None:
    """Run the default tests, with the newest versions of all dependencies."""
    session.install("-e", ".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto"]), env=ONE_THREAD)


@nox.session(name="test-lowest", venv_backend="uv")
def test_lowest(session: nox.Session) -> None:
    """Run the default tests with the lowest versions of all direct dependencies."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto"]), env=ONE_THREAD)


@nox.session(name="test-strict")
def test_strict(session: nox.Session) -> None:
    """Run the tests on array-api-strict, whose arrays cannot be copied to the host unnoticed; the slow ones too."""
    session.install("-e", ".[test]")
    chosen = session.posargs or ["-n", "auto"]
    session.run("pytest", "-k", "strict", "-m", "not gpu", *chosen, env=ONE_THREAD)


@nox.session(name="test-gpu")
def test_gpu(session: nox.Session) -> None:
    """Run the tests that need a GPU, on CuPy for CUDA 13, or for the version in LIGHTPOOL_CUDA."""
    session.install("-e", f".[test,cuda{os.environ.get('LIGHTPOOL_CUDA', '13')}]")
    session.run("python", "-c", "from lightpool.arrays.devices.devices import find_device; print(find_device('cuda'))")
    session.run("pytest", "-m", "gpu", *session.posargs, env=ONE_THREAD)


@nox.session
def bench(session: nox.Session) -> None:
    """Run a benchmark: ``nox -s bench -- peer.py --data DIR``; without arguments, the short one on simulated data."""
    name, *arguments = session.posargs or ["gpu.py", "--quick", "--output", session.create_tmp()]
    session.install(".[peer,test]")
    session.run("python", f"benchmarks/{name}", *arguments, env=ONE_THREAD)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site in docs/_build/html, with the tutorials executed; a warning is an error."""
    session.install(".[docs]")
    folder = session.posargs or ["docs/_build/html"]
    session.run("sphinx-build", "-W", "--keep-going", "-j", "auto", "-b", "html", "docs", *folder, env=ONE_THREAD)


@nox.session
def linkcheck(session: nox.Session) -> None:
    """Check the links of the site to other sites; it needs a network."""
    session.install(".[docs]")
    session.run(
        "sphinx-build", "-b", "linkcheck", "docs", "docs/_build/linkcheck", env={"LIGHTPOOL_DOCS_EXECUTE": "off"}
    )


@nox.session
def build(session: nox.Session) -> None:
    """Build the source distribution and the wheel, and check their descriptions and what they contain."""
    session.install("build", "twine")
    folder = session.create_tmp()
    session.run("python", "-c", f"import shutil; shutil.rmtree({folder!r})")
    session.run("python", "-m", "build", "--outdir", folder, ".")
    session.run("python", "-m", "twine", "check", "--strict", f"{folder}/*")
    session.run("python", ".ci/distributions.py", folder)
