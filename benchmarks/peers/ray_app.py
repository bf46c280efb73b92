"""Ray Serve, a replica per processor, as its guide's page on performance recommends it."""

import os
import signal
import sys

import numpy as np
import ray
import xgboost
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=os.cpu_count(), max_ongoing_requests=100, ray_actor_options={"num_cpus": 1})
class Model:
    def __init__(self):
        self.booster = xgboost.Booster(model_file=os.environ["MODEL"])
        self.booster.set_param({"nthread": 1})

    async def __call__(self, request: Request):
        rows = np.array((await request.json())["rows"], np.float32)
        return {"predictions": self.booster.inplace_predict(rows).tolist()}


def main(port: int, folder: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ray.init(
        num_cpus=os.cpu_count(), include_dashboard=False, _temp_dir=folder, log_to_driver=False, object_store_memory=100_000_000
    )
    quiet = {"log_level": "ERROR", "enable_access_log": False}
    serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config=quiet)
    serve.run(Model.options(logging_config=quiet).bind(), route_prefix="/")
    signal.pause()


main(int(sys.argv[1]), sys.argv[2])
