"""Makes a Python environment in which CuPy's wheel runs on the host, see the README of this folder."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

CUPY = "14.2.0"
TESTS = Path(__file__).resolve().parents[1]
NATIVE = Path(__file__).resolve().parent / "native"

# Libraries that CuPy wants: our source, the prefix of the functions, and the error "not supported" of the library.
LIBRARIES = {
    "libcudart_on_host.so": ("runtime.cpp", "cuda", 801),
    "libcuda.so.1": ("driver.cpp", "cu", 801),
    "libcublas.so.13": ("blas.cpp", "cublas", 15),
    "libcublasLt.so.13": (None, "cublasLt", 15),
    "libcufft.so.12": ("fft.cpp", "cufft", 16),
    "libcurand.so.10": (None, "curand", 104),
    "libcusparse.so.12": (None, "cusparse", 10),
}
COMPILE = ("g++", "-std=c++17", "-fPIC", "-shared", "-pthread")
CONSTANTS = {"USE_CUDA_PYTHON": "False", "CYTHON_VERSION": "'3'", "CUDA_VERSION": "13000", "HIP_VERSION": "0"}
DIRECTIVES = {"c_api_binop_methods": "True", "binding": "False", "warn.deprecated.IF": "False"}


class BuildError(Exception):
    """What the environment needs could not be had."""


def build(folder: Path) -> None:
    """Make the environment in a folder.

    Parameters
    ----------
    folder : Path
        A new folder, or an environment that was made here: that is made again.
    """
    for tool in ("g++", "nm"):
        if shutil.which(tool) is None:
            raise BuildError(f"{tool} was not found; install Debian's package g++")
    libraries = folder / "cuda-on-host"
    if folder.exists() and not libraries.exists():
        raise BuildError(f"{folder} was not made here; give a new folder")
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", folder)
    libraries.mkdir()
    python = folder / "bin" / "python"
    _install_packages(python)
    packages = Path(_output(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    with tempfile.TemporaryDirectory() as work:
        _replace_runtime(python, packages, Path(work))
        _make_libraries(packages, libraries, Path(work))
    _change_cupy(packages)
    _run(python, "-c", "import cupy; assert int(cupy.arange(5).sum()) == 10")


def _run(*command: object, **options: object) -> None:
    """Run a command; what it prints is shown if it fails."""
    done = subprocess.run(
        [str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        raise BuildError(f"{' '.join(str(each) for each in command)} failed:\n{done.stdout[-5000:]}")


def _output(*command: object) -> str:
    return subprocess.run([str(each) for each in command], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


# --- packages


def _install_packages(python: Path) -> None:
    pip = (python, "-m", "pip", "install", "--quiet")
    try:
        _run(*pip, "--only-binary", ":all:", f"cupy-cuda13x=={CUPY}")
    except BuildError as error:
        raise BuildError(
            f"no wheel of cupy-cuda13x {CUPY} for Python {sys.version.split()[0]} in the package index; "
            f"if it is in a folder, name that in PIP_FIND_LINKS\n{error}"
        ) from None
    # Headers only: the CUDA runtime, and what it includes of the compiler. NVRTC needs no GPU.
    _run(*pip, "Cython>=3.2,<3.3", "nvidia-cuda-runtime==13.*", "nvidia-cuda-crt==13.*", "nvidia-cuda-nvrtc==13.*")
    _run(*pip, "-e", f"{TESTS.parent}[test]")


def _fetch_sources(folder: Path) -> Path:
    """Unpack CuPy's sources, without building them as pip would."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/cupy/"
    name = f"cupy-{CUPY}"
    with urllib.request.urlopen(index, timeout=60) as answer:
        found = re.search(rf'href="([^"#]*/{re.escape(name)}\.tar\.gz)#sha256=(\w+)"', answer.read().decode())
    if found is None:
        raise BuildError(f"{index} has no {name}.tar.gz")
    archive = folder / f"{name}.tar.gz"
    with urllib.request.urlopen(urljoin(index, found[1]), timeout=60) as answer:
        archive.write_bytes(answer.read())
    if hashlib.sha256(archive.read_bytes()).hexdigest() != found[2]:
        raise BuildError(f"{found[1]} is not what {index} says")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / name


# --- libraries


def _headers(packages: Path) -> str:
    return f"-I{packages / 'nvidia' / 'cu13' / 'include'}"


def _replace_runtime(python: Path, packages: Path, work: Path) -> None:
    """Compile the module that wraps the CUDA runtime anew: in the wheel, NVIDIA's runtime is part of it."""
    sources = _fetch_sources(work)
    _run(
        *(python, "-m", "cython", "-3", "--cplus", "-o", work / "wrapper.cpp"),
        *("-E", ",".join(f"CUPY_{name}={value}" for name, value in CONSTANTS.items())),
        *("-X", ",".join(f"{name}={value}" for name, value in DIRECTIVES.items())),
        "cupy_backends/cuda/api/runtime.pyx",
        cwd=sources,  # Cython takes the names of modules from there
    )
    (module,) = (packages / "cupy_backends" / "cuda" / "api").glob("runtime.*.so")
    module.unlink()
    include = _output(python, "-c", "import sysconfig; print(sysconfig.get_path('include'))")
    api = sources / "cupy_backends" / "cuda" / "api"
    _run(
        *COMPILE,
        "-w",
        f"-I{NATIVE}",
        _headers(packages),
        f"-I{include}",
        f"-I{api}",
        work / "wrapper.cpp",
        "-o",
        module,
    )


def _make_libraries(packages: Path, libraries: Path, work: Path) -> None:
    """Compile the libraries; functions that are not in our sources say that they are not supported."""
    wanted = _undefined_functions(packages)
    for name, (source, prefix, not_supported) in LIBRARIES.items():
        is_runtime = prefix == "cuda"
        rest = work / "rest.cpp"
        functions = sorted(each for each in wanted if re.match(rf"{prefix}[A-Z]", each))
        # `weak`: a function of this name in our source takes precedence
        stub = 'extern "C" __attribute__((weak)) int {}() {{ return {}; }}\n'
        rest.write_text("".join(stub.format(each, not_supported) for each in functions))
        sources = [
            rest,
            *([NATIVE / source] if source else []),
            *(NATIVE / each for each in ("queues.cpp", "sort.cpp") if is_runtime),
        ]
        versions = work / "versions"
        versions.write_text(f"{name} {{ *; }};\n")  # CuPy's modules want functions of this version
        _run(
            *(*COMPILE, "-O2", _headers(packages), *sources, "-o", libraries / name, f"-Wl,-soname,{name}"),
            *([] if is_runtime else [f"-Wl,--version-script,{versions}", libraries / "libcudart_on_host.so"]),
        )


def _undefined_functions(packages: Path) -> set[str]:
    modules = [path for folder in ("cupy", "cupy_backends") for path in (packages / folder).rglob("*.so")]
    lines = _output("nm", "-D", "--undefined-only", *modules).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if " U " in line}


def _change_cupy(packages: Path) -> None:
    """Let CuPy load the libraries when it is imported, in every process of the environment."""
    (packages / "cupy_without_gpu.pth").write_text(f"{TESTS}\n")
    module = packages / "cupy" / "__init__.py"
    first, rest = module.read_text().split("\nfrom cupy import _environment", maxsplit=1)
    module.write_text(
        f"{first}\nimport cupy_without_gpu.libraries\nfrom cupy import _environment{rest}\n"
        "import cupy_without_gpu.compiler\nimport cupy_without_gpu.sorting\n"
    )
