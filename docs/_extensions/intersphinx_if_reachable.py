"""Links to the sites of other projects, if there is a network.

Sphinx warns about each inventory that it cannot load, and a warning is an error in our builds. So the first site is
asked for its inventory once, with a short timeout; if no site answers, the build says so and goes on without links.
"""

from urllib.error import URLError
from urllib.request import Request, urlopen

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

SECONDS = 5

log = logging.getLogger(__name__)


def choose_inventories(app: Sphinx, config: Config) -> None:
    """Use the inventories of the sites that answer."""
    del app
    reachable = {}
    for name, address in config.intersphinx_addresses.items():
        try:
            with urlopen(Request(f"{address}objects.inv", method="HEAD"), timeout=SECONDS):
                reachable[name] = (address, None)
        except (URLError, OSError) as error:
            log.info("no links to the site of %s, which does not answer: %s", name, error)
            if not reachable and not isinstance(error, TimeoutError) and "404" not in str(error):
                log.info("the other sites are not asked: there is no network")
                break
    config.intersphinx_mapping = reachable


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the setting ``intersphinx_addresses``: the address of each site by its name."""
    app.add_config_value("intersphinx_addresses", {}, "env", (dict,))
    app.connect("config-inited", choose_inventories, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
