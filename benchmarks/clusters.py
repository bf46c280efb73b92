"""What a second instance costs a training job: two containers in a network of their own against one alone."""

from __future__ import annotations

import time

from support.jobs import archive, bucket, instances, log_lines, script_job, wait_for_job
from support.server import SKLEARN, Server, running_server

from benchmarks.figures import Figure, Floor, at_most, median

_ROUNDS = 10
_WARM = 2  # the first jobs start the zygote
_LIMIT = 1.0  # seconds

# Says when its first line was printed; with a peer, also when it had heard from it by name.
_SCRIPT = """
import json, os, socket, time
print("first-line %.6f" % time.time(), flush=True)
me, hosts = os.environ["SM_CURRENT_HOST"], json.loads(os.environ["SM_HOSTS"])
if len(hosts) > 1:
    (peer,) = set(hosts) - {me}
    with socket.create_server(("0.0.0.0", 8080)) as server:
        while True:
            try:
                call = socket.create_connection((peer, 8080), 30)
                break
            except ConnectionRefusedError:
                time.sleep(0.001)
        server.accept()
    print("met %.6f" % time.time(), flush=True)
"""


def figures() -> list[Figure]:
    """Rounds of one and two instances take turns, so that noise strikes both."""
    floor = Floor("one instance", 0.0)
    rounds: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with running_server(hold_describe=0.0) as server:
        name = bucket(server, "bench-clusters")
        server.client("s3").put_object(Bucket=name, Key="code/sourcedir.tar.gz", Body=archive({"train.py": _SCRIPT}))
        for number in range(_ROUNDS + _WARM):
            for count, found in rounds.items():
                found.append(_job(server, name, f"clusters-{number}-{count}", count))
    one, two = ({key: median(times[key] for times in found[_WARM:]) for key in found[0]} for found in rounds.values())
    floor = Floor("one instance", one["first-line"])
    return [
        at_most(
            "accepted to first line of both of two instances, over one, p50",
            two["first-line"] - one["first-line"],
            _LIMIT,
            floor,
        ),
        at_most("accepted to two instances having heard from each other, p50", two["met"], _LIMIT, floor),
        at_most("request to Completed with two instances, over one, p50", two["completed"] - one["completed"], _LIMIT, floor),
    ]


def _job(server: Server, bucket_name: str, job: str, count: int) -> dict[str, float]:
    """Seconds since the request was accepted: to the last host's first line, to its meeting the other, to Completed."""
    sagemaker = server.client("sagemaker")
    code = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": f'"s3://{bucket_name}/code/sourcedir.tar.gz"'}
    sagemaker.create_training_job(**script_job(job, bucket_name, SKLEARN, code, ResourceConfig=instances(count)))
    accepted = time.time()
    ended = wait_for_job(sagemaker, job)
    if ended["TrainingJobStatus"] != "Completed":
        raise RuntimeError(ended.get("FailureReason"))
    found = {"completed": ended["TrainingEndTime"].timestamp() - accepted}
    for line in log_lines(server, "/aws/sagemaker/TrainingJobs", f"{job}/"):
        word, _, value = line.partition(" ")
        if word in ("first-line", "met"):
            found[word] = max(found.get(word, 0.0), float(value) - accepted)
    return found
