"""FastAPI that reads a request and answers without a model: what HTTP alone costs."""

from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    await request.body()
    return Response("0\n", media_type="text/csv")
