"""What algorithms in JumpStart form share: script mode on a framework image, started by model id (DG:studio-jumpstart).

An algorithm joins with a ``jumpstart`` list in its ``manifest.json`` (``manifest.JumpStartModel``) and two modules::

    # train.py                                       # serve.py
    def main(model_id: str) -> int:                  def endpoint(folder: Path) -> JumpStartEndpoint:
        return job.run(model_id, train)                  return JumpStartEndpoint(load(folder), load_manifest("x").inference)

    def train(job: Job) -> None: ...

``scripts.py`` makes the ``transfer_learning.py`` and ``inference.py`` that call them; the server puts both, the specification and
the rest of the bucket ``jumpstart-cache-prod-<region>`` together from the manifests.

| module | does |
|---|---|
| ``job.py`` | ``run(model_id, train)``: configuration, failures, the script of the endpoint into the artifact; ``Job`` |
| ``tables.py`` | ``read(job)``: the CSV channels in all documented layouts, categorical columns, 20 % for validation |
| ``labels.py`` | classes of a label column, in AWS's order |
| ``rows.py`` | CSV rows of a request |
| ``endpoint.py`` | ``JumpStartEndpoint``: 200, 400, 406, 415; batches; ``application/json`` and ``;verbose`` |
| ``tabular.py`` | ``TabularModel``: the usual answers of a model of tables |
| ``log.py`` | log lines |
"""
