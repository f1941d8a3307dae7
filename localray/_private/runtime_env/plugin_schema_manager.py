"""`ray._private.runtime_env.plugin_schema_manager`: descriptions of plug-ins' fields, which nobody reads here."""

from __future__ import annotations

from localray.absent import absences

__getattr__ = absences(
    __name__, {"Fields of runtime environments are checked by their own rules.": "RuntimeEnvPluginSchemaManager"}
)
