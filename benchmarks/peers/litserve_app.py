"""LitServe with its JSON interface and its fast queue, a model in a worker per processor."""

import os
import sys

import litserve
import numpy as np
import xgboost


class Model(litserve.LitAPI):
    def setup(self, device):
        self.booster = xgboost.Booster(model_file=os.environ["MODEL"])
        self.booster.set_param({"nthread": 1})

    def decode_request(self, request):
        return np.array(request["rows"], np.float32)

    def predict(self, rows):
        return self.booster.inplace_predict(rows)

    def encode_response(self, predictions):
        return {"predictions": predictions.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=os.cpu_count(), fast_queue=True)
    options = {"generate_client_file": False, "log_level": "error", "access_log": False}
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, **options)
