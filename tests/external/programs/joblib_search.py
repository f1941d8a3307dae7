"""needs: joblib sklearn

scikit-learn's grid search on joblib's Ray backend finds what it finds alone.
"""

import joblib
import ray
from ray.util.joblib import register_ray
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

register_ray()
ray.init(num_cpus=2)
features, target = load_iris(return_X_y=True)


def search() -> GridSearchCV:
    return GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.01, 0.1, 1.0, 10.0]}, cv=3, n_jobs=2)


alone = search().fit(features, target)
with joblib.parallel_backend("ray"):
    on_ray = search().fit(features, target)
assert alone.best_params_ == on_ray.best_params_
assert list(alone.cv_results_["mean_test_score"]) == list(on_ray.cv_results_["mean_test_score"])
print("all right")
