"""needs: modin pandas pyarrow
environment: MODIN_ENGINE=ray MODIN_CPUS=2 LOCALRAY_STUBS=data

modin's data frames on Ray give what pandas gives. modin imports `ray.data` for a function that is not called here.
"""

import modin.pandas as pd
import numpy as np
import pandas
import ray

numbers = {"a": np.arange(10_000), "b": np.arange(10_000) % 7, "c": np.random.default_rng(0).random(10_000)}
frame, plain = pd.DataFrame(numbers), pandas.DataFrame(numbers)
assert ray.is_initialized()


def same(ours, theirs) -> None:
    pandas.testing.assert_frame_equal(ours._to_pandas(), theirs, check_exact=False)


same(frame.groupby("b").sum(), plain.groupby("b").sum())
same(frame[frame.a > 50], plain[plain.a > 50])
same(frame.sort_values("c"), plain.sort_values("c"))
same(frame.merge(frame, on="a"), plain.merge(plain, on="a"))
same(frame.apply(lambda row: row * 2), plain.apply(lambda row: row * 2))
assert abs(frame["c"].mean() - plain["c"].mean()) < 1e-12
same(pd.concat([frame, frame]).describe(), pandas.concat([plain, plain]).describe())
print("all right")
