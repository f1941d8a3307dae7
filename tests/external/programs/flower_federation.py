"""needs: flwr

Flower's simulation: each client is a call of an actor from its pool. Every client's model is its own number, so that
their average, which the server sends back, is known.
"""

import numpy as np
from flwr.client import ClientApp, NumPyClient
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.simulation import run_simulation

CLIENTS = 4
reported: list[list[float]] = []


class Numbered(NumPyClient):
    def __init__(self, number: int) -> None:
        self.number = number

    def fit(self, parameters, config):
        return [np.full_like(parameters[0], self.number)], 1, {}

    def evaluate(self, parameters, config):
        return 0.0, 1, {"average": float(parameters[0][0])}


def start_client(context):
    return Numbered(int(context.node_config["partition-id"])).to_client()


def collect(metrics):
    reported.append([metric["average"] for _, metric in metrics])
    return {}


def start_server(context):
    strategy = FedAvg(
        initial_parameters=ndarrays_to_parameters([np.zeros(2)]),
        min_available_clients=CLIENTS,
        evaluate_metrics_aggregation_fn=collect,
    )
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=2))


run_simulation(
    server_app=ServerApp(server_fn=start_server),
    client_app=ClientApp(client_fn=start_client),
    num_supernodes=CLIENTS,
    backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0}},
)
assert reported == [[1.5] * CLIENTS] * 2, reported
print("all right")
