"""`ray._private.runtime_env.plugin_schema_manager`: descriptions of plug-ins' fields, which nobody reads here."""

from __future__ import annotations

from localray.absent.catalogue import missing_in

__getattr__ = missing_in(
    __name__, {"Fields of runtime environments are checked by their own rules.": "RuntimeEnvPluginSchemaManager"}
)
