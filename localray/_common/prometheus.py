"""Metrics as Prometheus reads them: text at an address, samples in it, and what is looked for among them. Nothing of
localray's own is served so; suites ask their own servers. Reading text needs the package `prometheus_client`."""

from __future__ import annotations

import collections
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class MetricSamplePattern:
    """What a sample must be like; None fits anything."""

    name: str | None = None
    value: float | None = None
    partial_label_match: dict[str, str] | None = None

    def matches(self, sample: Any) -> bool:
        """Whether a sample is like that."""
        labels = (self.partial_label_match or {}).items()
        return (
            self.name in (None, sample.name)
            and self.value in (None, sample.value)
            and all(sample.labels.get(label) == value for label, value in labels)
        )


@dataclass
class PrometheusTimeseries:
    """The last value of each series that was seen, with what it belongs to: components by address, metrics by name."""

    components_dict: dict[str, set[str]] = field(default_factory=dict)
    metric_descriptors: dict[str, Any] = field(default_factory=dict)
    metric_samples: dict[frozenset[tuple[str, str]], Any] = field(default_factory=dict)

    def flush(self) -> None:
        """Forget all."""
        self.components_dict.clear()
        self.metric_descriptors.clear()
        self.metric_samples.clear()


def fetch_raw_prometheus(prom_addresses: Iterable[str], timeout: float | None = None) -> Iterator[tuple[str, str]]:
    """Address and text of each address where somebody answers."""
    for address in prom_addresses:
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=timeout or 10) as answer:
                text = answer.read().decode()
        except OSError:
            continue  # Nobody is there, as in Ray no reason to stop.
        yield address, text


def fetch_prometheus(
    prom_addresses: Iterable[str], timeout: float | None = None
) -> tuple[dict[str, set[str]], dict[str, Any], list[Any]]:
    """Components by address, metrics by name, and samples."""
    addresses = list(prom_addresses)
    components: dict[str, set[str]] = {address: set() for address in addresses}
    metrics: dict[str, Any] = {}
    samples: list[Any] = []
    for address, text in fetch_raw_prometheus(addresses, timeout):
        from prometheus_client.parser import text_string_to_metric_families

        for metric in text_string_to_metric_families(text):
            for sample in metric.samples:
                metrics[sample.name] = metric
                samples.append(sample)
                if "Component" in sample.labels:
                    components[address].add(sample.labels["Component"])
    return components, metrics, samples


def fetch_prometheus_timeseries(
    prom_addresses: Iterable[str], result: PrometheusTimeseries, timeout: float | None = None
) -> PrometheusTimeseries:
    """Add to a collection what is there now; returns it."""
    components, metrics, samples = fetch_prometheus(prom_addresses, timeout)
    for address, found in components.items():
        result.components_dict.setdefault(address, set()).update(found)
    result.metric_descriptors.update(metrics)
    for sample in samples:
        result.metric_samples[frozenset([*sample.labels.items(), ("_metric_name_", sample.name)])] = sample
    return result


def fetch_prometheus_metrics(prom_addresses: Iterable[str]) -> dict[str, list[Any]]:
    """The samples there are now, by their metric's name."""
    return _by_name(fetch_prometheus(prom_addresses)[2])


def fetch_prometheus_metric_timeseries(
    prom_addresses: Iterable[str], result: PrometheusTimeseries, timeout: float | None = None
) -> dict[str, list[Any]]:
    """The last sample of each series that was ever seen, by its metric's name."""
    return _by_name(fetch_prometheus_timeseries(prom_addresses, result, timeout).metric_samples.values())


def _by_name(samples: Iterable[Any]) -> dict[str, list[Any]]:
    # Not a plain dictionary: suites ask for metrics that are not there yet.
    found: dict[str, list[Any]] = collections.defaultdict(list)
    for sample in samples:
        found[sample.name].append(sample)
    return found
