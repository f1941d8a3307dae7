"""`ray.util.joblib.register_ray`: joblib's ``parallel_backend("ray")``, where joblib is installed."""

from __future__ import annotations


def register_ray() -> None:
    """Make the backend known to joblib.

    Raises:
        ImportError: joblib is not installed.
    """
    try:
        from joblib.parallel import register_parallel_backend
    except ImportError as error:
        raise ImportError("To use the ray backend install joblib: pip install joblib.") from error
    from localray.util.joblib.ray_backend import RayBackend

    register_parallel_backend("ray", RayBackend)


__all__ = ["register_ray"]
