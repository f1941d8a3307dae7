"""`ray.autoscaler.sdk`: requests for nodes, which are checked and then have no effect, because nobody adds any.

Nodes are added by hand: by a `cluster_utils.Cluster`, or by `localray start`. Must not live here: the autoscalers of
simulations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localray.options import to_units
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
        AssertionError: there are not as many selectors as bundles.
        ValueError: an amount is negative or too fine.
    """
    if not is_initialized():
        raise RuntimeError("Ray is not initialized yet")
    assert not bundle_label_selectors or (bundles and len(bundles) == len(bundle_label_selectors)), (
        "If bundle_label_selectors is provided, bundles must also be provided and have the same length."
    )
    amounts = [("num_cpus", num_cpus or 0), *(pair for bundle in bundles or () for pair in bundle.items())]
    for name, amount in amounts:
        if to_units(amount) < 0:
            raise ValueError(f"Resource quantities must be nonnegative, got {name}={amount}.")
