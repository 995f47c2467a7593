"""Downloads over HTTP and HTTPS: redirects are followed, certificates checked, silence is bounded.

Used by `fetch_source`. A proxy is used if the agent's environment names one.

Source: Mesos documentation "Fetcher".
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  (of host names; later these files may not be readable)
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import minimesos
from minimesos.agent.containerizer.fetch_source import CannotFetch, Source

_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.UnknownHandler,
)
"""Not urllib's own choice, which a redirect could lead to FTP."""


@contextmanager
def requested(url: str, stall_timeout_s: float) -> Iterator[Source]:
    """GET what is at `url`. Raises CannotFetch and OSError, also while it is read."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", f"minimesos/{minimesos.__version__}")]
    for handler in _HANDLERS:
        opener.add_handler(handler())
    try:
        with opener.open(url, timeout=stall_timeout_s) as response:
            if response.status != HTTPStatus.OK:
                raise CannotFetch(f"the server answered {response.status} {response.reason}")
            yield Source(response.read1, response.length)
    except urllib.error.HTTPError as error:
        error.close()
        raise CannotFetch(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise CannotFetch(_stalled(stall_timeout_s)) from error
        raise CannotFetch(str(error.reason)) from error
    except TimeoutError as error:
        raise CannotFetch(_stalled(stall_timeout_s)) from error
    except (http.client.HTTPException, ValueError) as error:  # ValueError: of the URL
        raise CannotFetch(f"no sound HTTP: {error!r}") from error


def _stalled(stall_timeout_s: float) -> str:
    return f"nothing came for {stall_timeout_s:g} s (the agent's flag --fetcher_stall_timeout)"
