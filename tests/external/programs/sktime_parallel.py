"""needs: sktime

sktime's loops over Ray.
"""

from sktime.utils.parallel import parallelize


def square(value: int, meta: object = None) -> int:
    return value * value


result = parallelize(
    square, range(20), meta={}, backend="ray", backend_params={"ray_remote_args": {}, "shutdown_ray": True}
)
assert result == [value * value for value in range(20)], result
print("all right")
