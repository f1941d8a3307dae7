"""`ray.autoscaler.sdk`: requests for nodes. The autoscaler of a simulation follows them; on one machine nobody does.

There, nodes are added by hand: by a `cluster_utils.Cluster`, or by `localray start`. Must not live here: autoscalers
(`localray.sim.scaling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localray.absent.catalogue import missing_in
from localray.client.current import current_client
from localray.options import to_units
from localray.protocol import RequestResources, Resources
from localray.sched.labels import parse_selector


def request_resources(
    num_cpus: int | None = None,
    bundles: Sequence[Mapping[str, float]] | None = None,
    bundle_label_selectors: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Ask for the cluster to be so large that this would fit, were nothing else there, until something else is asked
    for; without arguments for nothing any more. On one machine nothing comes of it; in a simulation an autoscaler grows
    the cluster.

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
    client = current_client()
    if client is None:
        raise RuntimeError("Ray is not initialized yet")
    of_cpus: list[Mapping[str, float]] = [{"CPU": 1}] * (num_cpus or 0)
    wanted = [*of_cpus, *(bundles or [])]
    selectors: list[Mapping[str, str]] = [{}] * len(of_cpus) + list(bundle_label_selectors or [])
    client.channel.send(
        RequestResources(
            tuple(_in_units(bundle) for bundle in wanted),
            tuple(parse_selector(selector) for selector in selectors) if bundle_label_selectors else (),
        )
    )


def _in_units(bundle: Mapping[str, float]) -> Resources:
    return tuple(sorted((name, to_units(amount, name)) for name, amount in bundle.items() if amount > 0))


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


__getattr__ = missing_in(
    __name__,
    {
        "No nodes come by themselves here: use ray.cluster_utils.Cluster.add_node, or localray start.": (
            "bootstrap_config configure_logging create_or_update_cluster fillout_defaults "
            "get_docker_host_mount_location get_head_node_ip get_worker_node_ips register_callback_handler rsync "
            "run_on_cluster teardown_cluster"
        )
    },
)
