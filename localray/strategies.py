"""Scheduling strategies as users write them, checked when they are made, and what they become in a template.

The classes are Ray's, and are found in `ray.util.scheduling_strategies`. Must not live here: which node a strategy
leads to (`localray.sched.placement`), placement groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, cast

from localray.ids import NodeID
from localray.options import SchedulingStrategyOption
from localray.protocol import DEFAULT_STRATEGY, Conditions, LabelOperator, Strategy, StrategyKind
from localray.sched.labels import parse_selector


class NodeAffinitySchedulingStrategy(SchedulingStrategyOption):
    """Run a task or an actor on one node.

    Args:
        node_id: hexadecimal id of the node, as `ray.nodes()` tells it.
        soft: run it elsewhere when the node does not exist, or is too small, instead of failing.
        _spill_on_unavailable: run it elsewhere also while the node has no room; needs ``soft``.
        _fail_on_unavailable: fail instead of waiting while the node has no room; not with ``soft``.

    Raises:
        ValueError: the id is not one, or the flags contradict each other.
    """

    def __init__(
        self,
        node_id: str | NodeID,
        soft: bool,
        _spill_on_unavailable: bool = False,
        _fail_on_unavailable: bool = False,
    ) -> None:
        self.node_id = node_id if isinstance(node_id, str) else node_id.hex()
        self.soft = soft
        self._spill_on_unavailable = _spill_on_unavailable
        self._fail_on_unavailable = _fail_on_unavailable
        self._parse_node_id()
        if _spill_on_unavailable and not soft:
            raise ValueError("_spill_on_unavailable cannot be set when soft is False. Please set soft to True.")
        if _fail_on_unavailable and soft:
            raise ValueError("_fail_on_unavailable cannot be set when soft is True. Please set soft to False.")

    def _parse_node_id(self) -> bytes:
        try:
            parsed = NodeID.from_hex(self.node_id)
        except (ValueError, TypeError) as error:
            raise self._bad_node_id() from error
        if parsed.is_nil():
            raise self._bad_node_id()
        return parsed.binary()

    def _bad_node_id(self) -> ValueError:
        return ValueError(
            f"Invalid node_id '{self.node_id}'. Node ID must be a valid hex string. To get a list of all nodes and "
            "their IDs in your cluster, use ray.nodes()."
        )

    def encode(self) -> Strategy:
        """As it travels."""
        return (
            StrategyKind.NODE_AFFINITY.value,
            self._parse_node_id(),
            bool(self.soft),
            bool(self._spill_on_unavailable),
            bool(self._fail_on_unavailable),
            (),
            (),
            (),
        )


class _ValuesOperator:
    """Base of the operators that compare a label with values."""

    def __init__(self, *values: str) -> None:
        name = type(self).__name__
        if not values:
            raise ValueError(
                f'The variadic parameter of the {name} operator must be a non-empty tuple: e.g. {name}("v1", "v2").'
            )
        for position, value in enumerate(values):
            if not isinstance(value, str):
                raise ValueError(
                    f"Type of value in position {position} for the {name} operator must be str "
                    f'(e.g. {name}("v1", "v2")) but got {value} of type {type(value)}.'
                )
        self.values = list(values)


class In(_ValuesOperator):
    """The label is one of these values."""


class NotIn(_ValuesOperator):
    """The label is none of these values, or is not there."""


class Exists:
    """The label is there."""


class DoesNotExist:
    """The label is not there."""


Operator: TypeAlias = "In | NotIn | Exists | DoesNotExist"
_OPERATORS = {
    In: LabelOperator.IN,
    NotIn: LabelOperator.NOT_IN,
    Exists: LabelOperator.EXISTS,
    DoesNotExist: LabelOperator.ABSENT,
}


class NodeLabelSchedulingStrategy(SchedulingStrategyOption):
    """Run a task or an actor on a node with certain labels.

    Args:
        hard: a label's name and `In`, `NotIn`, `Exists` or `DoesNotExist`: what must hold.
        soft: the same: of the nodes with room, one for which this holds too is taken if there is any.

    Raises:
        ValueError: both are empty, or one is not such a map.

    Example:
        >>> NodeLabelSchedulingStrategy({"zone": In("a", "b")}, soft={"disk": Exists()}).encode()[5:7]
        ((('zone', 0, ('a', 'b')),), (('disk', 2, ()),))
    """

    def __init__(self, hard: Mapping[str, Operator], *, soft: Mapping[str, Operator] | None = None) -> None:
        self.hard = _checked_expressions(hard, "hard")
        self.soft = _checked_expressions(soft, "soft")
        if not (self.hard or self.soft):
            raise ValueError("The `hard` and `soft` parameter of NodeLabelSchedulingStrategy cannot both be empty.")

    def encode(self) -> Strategy:
        """As it travels."""
        hard, soft = _conditions(self.hard), _conditions(self.soft)
        return (StrategyKind.NODE_LABELS.value, b"", False, False, False, hard, soft, ())


def _checked_expressions(expressions: object, parameter: str) -> dict[str, Operator]:
    if expressions is None:
        return {}
    if not isinstance(expressions, dict):
        raise ValueError(
            f'The {parameter} parameter must be a map (e.g. {{"key1": In("value1")}}) but got type '
            f"{type(expressions)}."
        )
    for key, operator in expressions.items():
        if not isinstance(key, str):
            raise ValueError(
                f'The map key of the {parameter} parameter must be of type str (e.g. {{"key1": In("value1")}}) but got '
                f"{key} of type {type(key)}."
            )
        if not isinstance(operator, tuple(_OPERATORS)):
            raise ValueError(
                f"The map value for key {key} of the {parameter} parameter must be one of the `In`, `NotIn`, `Exists` "
                f'or `DoesNotExist` operator (e.g. {{"key1": In("value1")}}) but got {operator} of type '
                f"{type(operator)}."
            )
    return dict(expressions)


def _conditions(expressions: Mapping[str, Operator]) -> Conditions:
    return tuple(
        (key, _OPERATORS[type(operator)].value, tuple(operator.values) if isinstance(operator, In | NotIn) else ())
        for key, operator in sorted(expressions.items())
    )


def encode_strategy(options: Mapping[str, object]) -> Strategy:
    """What checked options say of where a task or an actor is to go.

    >>> encode_strategy({"scheduling_strategy": "SPREAD", "label_selector": {"zone": "a"}})
    (1, b'', False, False, False, (), (), ((('zone', 0, ('a',)),),))
    """
    chosen = options.get("scheduling_strategy")
    strategy: Strategy = DEFAULT_STRATEGY
    if chosen == "SPREAD":
        strategy = (StrategyKind.SPREAD.value, *strategy[1:])
    elif isinstance(chosen, NodeAffinitySchedulingStrategy | NodeLabelSchedulingStrategy):
        strategy = chosen.encode()
    return (*strategy[:7], _alternatives(options))


def _alternatives(options: Mapping[str, object]) -> tuple[Conditions, ...]:
    """`label_selector`, and after it those of `fallback_strategy`; an empty one is met anywhere."""
    fallbacks = cast("Iterable[Mapping[str, object]]", options.get("fallback_strategy") or ())
    selectors = [options.get("label_selector"), *(fallback.get("label_selector") for fallback in fallbacks)]
    if not any(selectors):
        return ()
    return tuple(parse_selector(cast("Mapping[str, str | None]", selector or {})) for selector in selectors)
