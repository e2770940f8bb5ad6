"""Errors of CUDA after which a process cannot use its GPU any more.

A kernel that reads outside its arrays, a memory cell that cannot be corrected, or a kernel that does not end destroys
the context of the process: every later call fails with the same error, and all arrays on the device are lost. Only a
new process can go on. Running out of memory and errors of the compiler are not among them.
"""

__all__ = ["lost_context"]

# Of the CUDA runtime, after the prefix "cudaError", as CuPy writes them; those with the remark "the process must be
# terminated and relaunched" in the documentation of CUDA 13.0, and those of a context or of MPS that is gone.
_NAMES = (
    "Assert",
    "Contained",
    "ContextIsDestroyed",
    "ECCUncorrectable",
    "ExternalDevice",
    "HardwareStackError",
    "IllegalAddress",
    "IllegalInstruction",
    "InvalidAddressSpace",
    "InvalidPc",
    "LaunchFailure",
    "LaunchTimeout",
    "MisalignedAddress",
    "MpsClientTerminated",
    "MpsRpcFailure",
    "NvlinkUncorrectable",
    "TensorMemoryLeak",
    "Unknown",
)
# Of the driver, after the prefix "CUDA_ERROR_".
_DRIVER_NAMES = (
    "ASSERT",
    "CONTAINED",
    "CONTEXT_IS_DESTROYED",
    "ECC_UNCORRECTABLE",
    "EXTERNAL_DEVICE",
    "HARDWARE_STACK_ERROR",
    "ILLEGAL_ADDRESS",
    "ILLEGAL_INSTRUCTION",
    "INVALID_ADDRESS_SPACE",
    "INVALID_PC",
    "LAUNCH_FAILED",
    "LAUNCH_TIMEOUT",
    "MISALIGNED_ADDRESS",
    "MPS_CLIENT_TERMINATED",
    "MPS_RPC_FAILURE",
    "NVLINK_UNCORRECTABLE",
    "TENSOR_MEMORY_LEAK",
    "UNKNOWN",
)
# PyTorch writes the explanation of an error instead of its name.
_TEXTS = (
    "device-side assert triggered",
    "illegal instruction was encountered",
    "illegal memory access was encountered",
    "invalid program counter",
    "launch timed out and was terminated",
    "misaligned address",
    "operation not supported on global/shared address space",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error detected",
    "unspecified launch failure",
)
_SIGNS = (
    *(f"cudaError{name}:" for name in _NAMES),
    *(f"CUDA_ERROR_{name}:" for name in _DRIVER_NAMES),
    *(f"CUDA error: {article}{text}" for text in _TEXTS for article in ("", "an ", "the ")),
)


def lost_context(error: BaseException | None) -> str | None:
    """Return the text of the error of CUDA that has destroyed the context of this process; None if there is none.

    Parameters
    ----------
    error : exception, or None
        Whatever was raised. Its causes are examined too, also the one that a `ReductionError` holds.
    """
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        # By its text: CuPy and PyTorch need not be imported for this, and an error may come from another process.
        if isinstance(found, RuntimeError) and str(found).startswith(_SIGNS):
            return str(found).splitlines()[0]
        waiting += [found.__context__, found.__cause__, *(arg for arg in found.args if isinstance(arg, BaseException))]
    return None
