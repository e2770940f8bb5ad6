"""A Dask cluster with encryption: the certificates come from the configuration of Dask."""

import shutil
import subprocess
from pathlib import Path

import pytest
from small_reductions import bits_of

from lightpool.batch import make_plan, run_batch
from lightpool.batch.execution.dask_cluster import dask_cluster
from lightpool.errors import ConfigError


@pytest.fixture
def certificates(tmp_path):
    """A certificate that is its own authority, as Dask's configuration names it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl makes certificates")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    place = "distributed.comm.tls"
    roles = ("scheduler", "worker", "client")
    return {
        f"{place}.ca-file": certificate,
        **{f"{place}.{role}.cert": certificate for role in roles},
        **{f"{place}.{role}.key": key for role in roles},
    }


@pytest.mark.slow
def test_an_encrypted_cluster_gives_the_same_bits_and_lets_nobody_in_without_a_certificate(settings_of, certificates):
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with dask.config.set(certificates), distributed.LocalCluster(protocol="tls://", **options) as c:
        address = c.scheduler_address
        assert address.startswith("tls://")
        settings = settings_of("encrypted", observations={"obs_ids": [1, 2]})
        with dask_cluster(address) as executor:
            run_batch(make_plan(settings), executor)
        with (
            dask.config.set(dict.fromkeys(certificates)),
            pytest.raises(ConfigError, match="tls:// needs the certificates of the cluster"),
        ):
            dask_cluster(address).__enter__()
    plain = settings_of("plain", observations={"obs_ids": [1, 2]})
    assert bits_of(Path(settings.output.folder)) == bits_of(run_batch(make_plan(plain)).folder)
