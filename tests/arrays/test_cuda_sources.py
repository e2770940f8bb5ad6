"""CUDA sources are compiled for each kind of GPU that is asked for, where a compiler is; no GPU is needed."""

import re
import shutil
import subprocess
from importlib import resources

import pytest

from lightpool.arrays.cuda.loader import KERNELS, OPTIONS, source_text

ARCHITECTURES = (75, 80, 90, 120)
NVCC = shutil.which("nvcc")


def nvrtc_or_skip():
    pytest.importorskip("cupy")
    from cupy.cuda import nvrtc

    try:
        nvrtc.getVersion()
    except Exception as error:  # CuPy raises its own class where the library is not found
        pytest.skip(f"NVRTC does not answer: {error}")
    return nvrtc


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="no nvcc")
@pytest.mark.parametrize("name", KERNELS)
def test_nvcc_compiles_every_source_for_every_architecture(tmp_path, name):
    uses = "\n".join(f"void* kernel_{i} = (void*)&{kernel};" for i, kernel in enumerate(KERNELS[name]))
    path = tmp_path / f"{name}.cu"
    path.write_text(f"{source_text(name)}\n{uses}\n")
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in ARCHITECTURES]
    command = [NVCC, *OPTIONS, *targets, "-Werror", "all-warnings", "-fatbin", "-o", tmp_path / "out", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", KERNELS)
def test_nvrtc_finds_every_kernel_of_every_source(name):
    nvrtc = nvrtc_or_skip()
    for number in ARCHITECTURES:
        program = nvrtc.createProgram(source_text(name), f"{name}.cu", (), ())
        for kernel in KERNELS[name]:
            nvrtc.addNameExpression(program, kernel)
        try:
            nvrtc.compileProgram(program, (*OPTIONS, f"-arch=sm_{number}"))
        except Exception:
            pytest.fail(nvrtc.getProgramLog(program))
        names = {nvrtc.getLoweredName(program, kernel) for kernel in KERNELS[name]}
        assert len(names) == len(KERNELS[name])
        assert nvrtc.getCUBIN(program)


def test_every_source_is_in_the_package_and_has_its_kernels_listed():
    folder = resources.files("lightpool.arrays.cuda")
    assert {path.name for path in folder.iterdir() if path.name.endswith(".cu")} == {f"{name}.cu" for name in KERNELS}
    for name, kernels in KERNELS.items():
        found = re.findall(r"__global__ void (\w+)\(", source_text(name))
        assert sorted(set(found)) == sorted({kernel.partition("<")[0] for kernel in kernels})
        assert len(found) == len(set(found))


@pytest.mark.parametrize("name", KERNELS)
def test_sources_need_no_header_of_the_host(name):
    assert "#include" not in source_text(name)


def test_template_arguments_are_types_as_the_driver_writes_them():
    # CuPy asks the driver for the names of kernels in a module: it knows `f<double>`, but writes `f<(int)3>`.
    for kernel in (kernel for kernels in KERNELS.values() for kernel in kernels):
        assert re.fullmatch(r"\w+(<(double|float|bool)>)?", kernel)
