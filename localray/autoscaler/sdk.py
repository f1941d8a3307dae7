"""`ray.autoscaler.sdk`: requests for nodes, which are checked and then have no effect, because nobody adds any.

Nodes are added by hand: by a `cluster_utils.Cluster`, or by `localray start`. Must not live here: the autoscalers of
simulations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localray.session import is_initialized


def request_resources(
    num_cpus: int | None = None,
    bundles: Sequence[Mapping[str, float]] | None = None,
    bundle_label_selectors: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Ask for the cluster to grow until this would fit. On one machine it does not.

    Args:
        num_cpus: so many CPUs.
        bundles: resources, each to be found on one node.
        bundle_label_selectors: what each bundle's node is to be labelled with.

    Raises:
        RuntimeError: there is no session.
        TypeError: an argument is of another type.
        ValueError: there are not as many selectors as bundles, or they are not dictionaries of strings.
    """
    _check(num_cpus, bundles, bundle_label_selectors)
    if not is_initialized():
        raise RuntimeError("Ray is not initialized yet")


def _check(num_cpus: object, bundles: object, bundle_label_selectors: object) -> None:
    if num_cpus is not None and not isinstance(num_cpus, int):
        raise TypeError("num_cpus should be of type int.")
    if bundles is not None and not isinstance(bundles, list):
        raise TypeError("bundles should be of type List")
    for bundle in bundles or ():
        if not isinstance(bundle, dict):
            raise TypeError("each bundle should be a Dict.")
        for name, amount in bundle.items():
            if not isinstance(name, str):
                raise TypeError("each bundle key should be str.")
            if isinstance(amount, bool) or not isinstance(amount, (int, float)):
                raise TypeError("each bundle value should be a number (int or float).")
    if bundle_label_selectors is None:
        return
    if bundles is None:
        raise ValueError("`bundles` must be provided when `bundle_label_selectors` is specified.")
    if not isinstance(bundle_label_selectors, list) or len(bundle_label_selectors) != len(bundles):
        raise ValueError("`bundle_label_selector` must be a list with length equal to the number of bundles.")
    for selector in bundle_label_selectors:
        words = [word for pair in selector.items() for word in pair] if isinstance(selector, dict) else [None]
        if not all(isinstance(word, str) for word in words):
            raise ValueError("each bundle_label_selector should be a dictionary of strings.")
