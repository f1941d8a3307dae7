"""What mypy can't see by itself of actors: a plugin, switched on by ``plugins = ["localray.mypy_plugin"]``.

mypy takes a decorated class for what it was before, and no type can say "a handle has the methods of its class, each
with ``.remote()``". So: a class under ``@ray.remote`` gets ``remote`` and ``options`` here, and a handle's method
returns a reference to what the method of the class returns. Without the plugin, ``Counter = ray.remote(_Counter)`` is
understood, and a handle's methods return ``ObjectRef[Any]``. Must not live here: anything that runs with a program; the
types of functions and references, which need no plugin.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.errorcodes import ATTR_DEFINED
from mypy.nodes import ARG_STAR, ARG_STAR2, Argument, CallExpr, Decorator, IntExpr, MemberExpr, RefExpr, Var
from mypy.plugin import AttributeContext, ClassDefContext, Plugin
from mypy.plugins.common import add_method_to_class
from mypy.typeops import bind_self
from mypy.types import AnyType, CallableType, Instance, NoneType, Type, TypeOfAny, get_proper_type
from mypy.typevars import fill_typevars

REMOTE = "localray.api.remote"
METHOD = "localray.actor_description.method"
HANDLE = "localray.actor.ActorHandle"
CREATION = "localray.actor.ActorCreation"
REFERENCE = "localray.object_ref.ObjectRef"
AWAITED = {"typing.Coroutine": 2, "typing.Awaitable": 0}
"""Where the result stands among the type arguments of what an ``async def`` returns."""


class LocalrayPlugin(Plugin):
    """See the module."""

    def get_class_decorator_hook_2(self, fullname: str) -> Callable[[ClassDefContext], bool] | None:
        return decorate_class if fullname == REMOTE else None

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        return method_of_handle if fullname.startswith(f"{HANDLE}.") else None


def decorate_class(context: ClassDefContext) -> bool:
    """Give a class ``remote`` and ``options``; False until the types that they return are known to mypy."""
    api, info = context.api, context.cls.info
    instance = fill_typevars(info)
    handle = api.named_type_or_none(HANDLE, [instance])
    creation = api.named_type_or_none(CREATION, [instance])
    if handle is None or creation is None:
        return False
    anything = AnyType(TypeOfAny.explicit)
    keywords = Argument(Var("kwargs", anything), anything, None, ARG_STAR2)
    positional = Argument(Var("args", anything), anything, None, ARG_STAR)
    add_method_to_class(api, context.cls, "remote", [positional, keywords], handle, is_staticmethod=True)
    add_method_to_class(api, context.cls, "options", [keywords], creation, is_staticmethod=True)
    return True


def method_of_handle(context: AttributeContext) -> Type:
    """The type of ``handle.method``, by the class that the handle is of."""
    handle, unknown = get_proper_type(context.type), get_proper_type(context.default_attr_type)
    if not (isinstance(handle, Instance) and isinstance(unknown, Instance) and isinstance(context.context, MemberExpr)):
        return unknown
    actor = get_proper_type(handle.args[0]) if handle.args else None
    name = context.context.name
    if not isinstance(actor, Instance) or name.startswith("__ray_") or actor.type.fullname == "builtins.object":
        return unknown
    symbol = actor.type.get(name)
    if symbol is None:
        text = f'"{actor.type.name}", the class of this actor, has no method "{name}"'
        context.api.fail(text, context.context, code=ATTR_DEFINED)
        return unknown
    signature = get_proper_type(symbol.type)
    reference = reference_type(unknown)
    if not isinstance(signature, CallableType) or reference is None:
        return unknown
    count = returns_asked_for(symbol.node) if isinstance(symbol.node, Decorator) else 1
    returned: Type
    if count == 0:
        returned = NoneType()
    elif count > 1:
        returned = context.api.named_generic_type("builtins.list", [reference])
    else:
        is_static = isinstance(symbol.node, Decorator) and symbol.node.func.is_static
        bound = signature if is_static else bind_self(signature, actor)
        returned = reference.copy_modified(args=[awaited(bound.ret_type)])
    return unknown.copy_modified(args=[returned])


def reference_type(method: Instance) -> Instance | None:
    """The ``ObjectRef`` in the ``ActorMethod[ObjectRef[Any]]`` that a handle's attributes are declared to be."""
    found = get_proper_type(method.args[0]) if method.args else None
    return found if isinstance(found, Instance) and found.type.fullname == REFERENCE else None


def awaited(result: Type) -> Type:
    """What the caller gets of a method's result: the actor awaits it."""
    proper = get_proper_type(result)
    if isinstance(proper, Instance) and proper.type.fullname in AWAITED:
        return proper.args[AWAITED[proper.type.fullname]]
    return result


def returns_asked_for(method: Decorator) -> int:
    """The ``num_returns`` of ``@ray.method(num_returns=2)``; 1 unless it is a number written there."""
    for decorator in method.original_decorators:
        if not (isinstance(decorator, CallExpr) and isinstance(decorator.callee, RefExpr)):
            continue
        if decorator.callee.fullname != METHOD:
            continue
        for name, value in zip(decorator.arg_names, decorator.args, strict=True):
            if name == "num_returns" and isinstance(value, IntExpr):
                return value.value
    return 1


def plugin(version: str) -> type[Plugin]:
    """What mypy calls to find the plugin."""
    return LocalrayPlugin
