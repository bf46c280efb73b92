"""FastAPI with the model in its process, as a good engineer would write it by hand: no validation, no signature."""

import os

import numpy as np
import xgboost
from fastapi import FastAPI, Request, Response

booster = xgboost.Booster(model_file=os.environ["MODEL"])
booster.set_param({"nthread": 1})
app = FastAPI()


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    rows = np.array([line.split(b",") for line in (await request.body()).splitlines()], dtype=np.float32)
    return Response("\n".join(map(str, booster.inplace_predict(rows))) + "\n", media_type="text/csv")
