"""A04: unchanged scripts of the SageMaker Python SDK v2 and v3 run against the server, each SDK in an environment of its own."""

from __future__ import annotations

import contextlib
import importlib
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.conftest import FILE_SYSTEM, RunProgram
from support.server import Server, eventually

pytestmark = pytest.mark.clients


def test_sdk2_trains_deploys_predicts_transforms_and_cleans_up(run_program: RunProgram) -> None:
    """G01, G02, H03: Estimator with a built-in image; STS, default bucket, logs and metrics as the SDK reads them."""
    output = run_program("sdk2", "sdk2_builtin.py")
    assert "validation-auc" in output
    assert output.endswith("sdk2 built-in: done\n")


def test_sdk2_script_mode(run_program: RunProgram) -> None:
    """G03: SKLearn(entry_point=…, source_dir=…).fit().deploy()."""
    assert run_program("sdk2", "sdk2_script.py").endswith("sdk2 script mode: done\n")


def test_sdk3_trains_deploys_predicts_transforms_and_cleans_up(run_program: RunProgram) -> None:
    """G03: ModelTrainer with its own drivers and with a built-in image; sagemaker.core resources."""
    assert run_program("sdk3", "sdk3_train.py").endswith("sdk3: done\n")


def test_sdk2_pytorch(run_program: RunProgram) -> None:
    """G03: PyTorch with source_dir, requirements and hyperparameters; its own serving functions; a repacked PyTorchModel."""
    assert run_program("sdk2", "sdk2_pytorch.py").endswith("sdk2 PyTorch: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_data_that_are_not_copied(run_program: RunProgram, shared_folder: Path, sdk: str) -> None:
    """G06, G07, B10: FastFile mode and a file system of the settings."""
    (shared_folder / "set").mkdir(exist_ok=True)
    (shared_folder / "set" / "rows.csv").write_text("1,2\n3,4\n")
    assert run_program(sdk, f"{sdk}_inputs.py", FILE_SYSTEM).endswith(f"{sdk} inputs: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_tensorflow(sdk: str, run_program: RunProgram) -> None:
    """G03, K02, L01: TensorFlow(…).fit().deploy(), TensorFlowModel with handlers and .compile(); ModelTrainer and ModelBuilder of v3."""
    assert run_program(sdk, f"{sdk}_tensorflow.py").endswith(f"{sdk} tensorflow: done\n")


@pytest.mark.slow
def test_sdk2_sparkml(run_program: RunProgram) -> None:
    """B07, K06: SparkMLModel.deploy; before XGBoost in a PipelineModel."""
    assert run_program("sdk2", "sdk2_sparkml.py").endswith("sdk2 sparkml: done\n")


@pytest.mark.slow
def test_sdk2_right_sizes_a_model(run_program: RunProgram) -> None:
    """L05, L06, L07: Model.right_size().deploy(), a deployment by recommendation id, ModelPackage.right_size with ranges and phases."""
    output = run_program("sdk2", "sdk2_right_size.py")
    assert "COMPLETED: MaxInvocations" in output
    assert output.endswith("sdk2 right size: done\n")


@pytest.mark.slow
def test_sdk3_right_sizes_a_model(run_program: RunProgram) -> None:
    """L05, L06: ModelBuilder.right_size, a default and an advanced job; deploy as recommended."""
    assert run_program("sdk3", "sdk3_right_size.py").endswith("sdk3 right size: done\n")


@pytest.mark.slow
def test_sdk2_pipelines_and_many_models(run_program: RunProgram) -> None:
    """K06, K07: PipelineModel.deploy and .transformer; MultiDataModel.add_model, list_models, predict(target_model=…)."""
    assert run_program("sdk2", "sdk2_many.py").endswith("sdk2 many: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_inference_components(sdk: str, run_program: RunProgram) -> None:
    """K06: Model.deploy(resources=ResourceRequirements(…)) and copies of v2; InferenceComponent of sagemaker.core of v3."""
    assert run_program(sdk, f"{sdk}_components.py").endswith(f"{sdk} components: done\n")


@pytest.mark.slow
def test_sdk2_script_mode_to_the_full(run_program: RunProgram) -> None:
    """G03, G14, G16: git_config, dependencies, requirements.txt, pip in the script, every SM_ variable, TensorBoard output."""
    output = run_program("sdk2", "sdk2_script_mode.py")
    assert "everything is there" in output
    assert output.endswith("sdk2 full script mode: done\n")


@pytest.mark.slow
def test_sdk2_remote_functions(run_program: RunProgram) -> None:
    """G03: @remote with dependencies, local modules, pre-execution commands and errors; RemoteExecutor."""
    assert run_program("sdk2", "sdk2_remote.py").endswith("sdk2 remote: done\n")


@pytest.mark.slow
def test_sdk3_script_mode_to_the_full(run_program: RunProgram) -> None:
    """G03, G04: ModelTrainer with SourceCode(requirements, command), Compute, Torchrun, local files as channels, TensorBoard output."""
    assert run_program("sdk3", "sdk3_script_mode.py").endswith("sdk3 full script mode: done\n")


@pytest.mark.slow
def test_sdk3_remote_functions(run_program: RunProgram) -> None:
    """G03: the same of the SDK's third version."""
    assert run_program("sdk3", "sdk3_remote.py").endswith("sdk3 remote: done\n")


@pytest.mark.slow
def test_sdk2_several_instances(run_program: RunProgram) -> None:
    """G14: PyTorch(instance_count=2, distribution={"torch_distributed": …}), instance_groups; logs of both hosts."""
    output = run_program("sdk2", "sdk2_clusters.py")
    assert output.count("rows=100 of 200") == 2
    assert output.endswith("sdk2 clusters: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_spot_instances_and_warm_pools(sdk: str, server: Server, run_program: RunProgram) -> None:
    """G09, P04: use_spot_instances, max_wait, checkpoints, keep_alive_period; `sagewright interrupt` takes the instance away."""
    with interrupting(server, f"{sdk}-spot"):
        output = run_program(sdk, f"{sdk}_spot.py")
    assert output.endswith(f"{sdk} spot: done\n")
    if sdk == "sdk2":
        assert "begins at epoch 0" in output
        assert "Managed Spot Training savings: " in output


@contextlib.contextmanager
def interrupting(server: Server, prefix: str) -> Iterator[None]:
    """Interrupts the one spot job with this beginning of its name once it trains and its checkpoint is in S3."""
    ended, problems = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            name = eventually(lambda: _training(server, prefix) or ended.is_set(), 120)
            if isinstance(name, str):
                subprocess.run(
                    [sys.executable, "-m", "sagewright", "interrupt", name], env=server.process_environment(), check=True
                )
        except BaseException as problem:  # noqa: BLE001 - told below, where the test sees it
            problems.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not problems, problems


def _training(server: Server, prefix: str) -> str:
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    for job in sagemaker.list_training_jobs(NameContains=prefix, StatusEquals="InProgress")["TrainingJobSummaries"]:
        found = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
        bucket, _, key = found["CheckpointConfig"]["S3Uri"].removeprefix("s3://").partition("/")
        if found["SecondaryStatus"] == "Training" and s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
            return str(job["TrainingJobName"])
    return ""


def test_sdk2_xgboost_script_mode(run_program: RunProgram) -> None:
    """G03: XGBoost as a framework, served by the default handlers."""
    assert run_program("sdk2", "sdk2_xgboost.py").endswith("sdk2 XGBoost script mode: done\n")


@pytest.mark.slow
def test_sdk2_estimators_of_the_first_party_algorithms(run_program: RunProgram) -> None:
    """H01, H02: KMeans, PCA, RandomCutForest, KNN, LinearLearner, FactorizationMachines with record_set and RecordIO answers."""
    assert run_program("sdk2", "sdk2_numpy.py").endswith("sdk2 first-party estimators: done\n")


@pytest.mark.slow
def test_sdk2_images(run_program: RunProgram) -> None:
    """H15: record files, image files with lists, incremental training, batch transform of images."""
    assert run_program("sdk2", "sdk2_images.py").endswith("sdk2 images: done\n")


@pytest.mark.slow
def test_sdk2_jumpstart_on_folders_of_images(run_program: RunProgram) -> None:
    """H22: JumpStartEstimator, deployed, asked with application/x-image."""
    assert run_program("sdk2", "sdk2_image_folders.py").endswith("sdk2 image folders: done\n")


@pytest.mark.slow
def test_sdk2_data_capture(run_program: RunProgram) -> None:
    """N01: DataCaptureConfig at deploy, Predictor.update_data_capture_config, enable and disable; the files as a monitor finds them."""
    assert run_program("sdk2", "sdk2_capture.py").endswith("sdk2 data capture: done\n")


@pytest.mark.slow
def test_sdk2_endpoints(run_program: RunProgram) -> None:
    """G01, H03: stop, attach, two variants with weights, UpdateEndpoint."""
    assert run_program("sdk2", "sdk2_endpoints.py").endswith("sdk2 endpoints: done\n")


@pytest.mark.slow
def test_sdk2_inference_modes(run_program: RunProgram) -> None:
    """K03, K04: AsyncInferenceConfig with AsyncPredictor, WaiterConfig and notifications; ServerlessInferenceConfig."""
    assert run_program("sdk2", "sdk2_inference_modes.py").endswith("sdk2 inference modes: done\n")


@pytest.mark.slow
def test_sdk3_inference_modes(run_program: RunProgram) -> None:
    """K03, K04: ModelBuilder.deploy with AsyncInferenceConfig and with ServerlessInferenceConfig; Endpoint.invoke_async."""
    assert run_program("sdk3", "sdk3_inference_modes.py").endswith("sdk3 inference modes: done\n")


def test_sdk2_transform(run_program: RunProgram) -> None:
    """G02: image `xgboost:1`, libsvm files; batch transform with join and filters, JSON lines through a script."""
    assert run_program("sdk2", "sdk2_transform.py").endswith("sdk2 transform: done\n")


def test_sdk2_processing(run_program: RunProgram) -> None:
    """C01: SKLearnProcessor, ScriptProcessor on two instances, FrameworkProcessor; a job that fails, one that is stopped."""
    output = run_program("sdk2", "sdk2_processing.py")
    assert "split 80 20 said" in output
    assert "algo-1 has 2 of" in output
    assert "algo-2 has 2 of" in output
    assert "Last log lines: the rows are of the wrong colour" in output
    assert output.endswith("sdk2 processing: done\n")


def test_sdk3_processing(run_program: RunProgram) -> None:
    """C01: ScriptProcessor and FrameworkProcessor of sagemaker.core, ProcessingJob.get."""
    output = run_program("sdk3", "sdk3_processing.py")
    assert "means of 100 rows" in output
    assert output.endswith("sdk3 processing: done\n")


@pytest.mark.slow
def test_sdk2_pyspark(run_program: RunProgram) -> None:
    """B07, C01: PySparkProcessor on one instance and on two."""
    output = run_program("sdk2", "sdk2_spark.py")
    assert output.count("total 499500 imported 3") == 2
    assert output.endswith("sdk2 spark: done\n")


def test_sdk2_live_logs_and_a_model_that_reads_from_s3(run_program: RunProgram) -> None:
    """G03, K01: wait_for_endpoint(live_logging=True) shows what model_fn prints; its code calls AWS as the model's role."""
    output = run_program("sdk2", "sdk2_live_logs.py", through="env")
    assert "the model is being loaded as arn:aws:sts::123456789012:assumed-role/Server/SageMaker" in output
    assert output.endswith("sdk2 live logs: done\n")


def test_sdk2_inside_a_job(run_program: RunProgram) -> None:
    """G03: a script that uses boto3; checkpoints both ways, output data, environment, metrics of one's own."""
    output = run_program("sdk2", "sdk2_inside.py")
    assert "front: True" in output
    assert output.endswith("sdk2 inside: done\n")


@pytest.mark.slow
def test_sdk2_tunes(run_program: RunProgram) -> None:
    """I01: HyperparameterTuner with fit, analytics, attach, best_training_job, deploy, warm start."""
    assert run_program("sdk2", "sdk2_tuner.py").endswith("sdk2 tuner: done\n")


@pytest.mark.slow
def test_sdk3_tunes(run_program: RunProgram) -> None:
    """I01: HyperparameterTuner on a ModelTrainer."""
    assert run_program("sdk3", "sdk3_tuner.py").endswith("sdk3 tuner: done\n")


@pytest.mark.slow
def test_sdk3_serves(run_program: RunProgram) -> None:
    """G03: ModelTrainer with requirements, a failing and a stopped job; ModelBuilder.build() and deploy()."""
    output = run_program("sdk3", "sdk3_serve.py")
    assert "hyperparameters are right" in output
    assert "the data are of the wrong colour" in output
    assert output.endswith("sdk3 serve: done\n")


@pytest.mark.slow
def test_sdk2_jumpstart(run_program: RunProgram) -> None:
    """J15, H18, H19: JumpStartEstimator, list_jumpstart_models, and the notebooks' way over image, script and model URIs."""
    assert run_program("sdk2", "sdk2_jumpstart.py").endswith("sdk2 JumpStart: done\n")


@pytest.mark.slow
def test_sdk3_jumpstart(run_program: RunProgram) -> None:
    """J15, H18: search_public_hub_models, ModelTrainer.from_jumpstart_config on the default data, ModelBuilder."""
    assert run_program("sdk3", "sdk3_jumpstart.py").endswith("sdk3 JumpStart: done\n")


def test_sdk2_with_an_image_of_ones_own(run_program: RunProgram, own_image: str) -> None:
    """A10, K02: Estimator(image_uri=…) with what ECR says of the repository; fit, deploy, predict."""
    assert run_program("sdk2", "sdk2_own_image.py").endswith("sdk2 own image: done\n")


@pytest.mark.slow
def test_sdk3_with_an_image_of_ones_own(run_program: RunProgram, own_image: str) -> None:
    """A10, G12: ModelTrainer(training_image=…) by AWS's address of the image, as it is and with SourceCode."""
    assert run_program("sdk3", "sdk3_own_image.py").endswith("sdk3 own image: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_text_generation(sdk: str, server: Server, run_program: RunProgram) -> None:
    """K02, L01: TGI's image (HuggingFaceModel, ModelBuilder), streamed; the model optimized, then served by the recommended image."""
    assert run_program(sdk, f"{sdk}_text_generation.py", text_model(server)).endswith(f"{sdk} text generation: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_model_builder(sdk: str, run_program: RunProgram) -> None:
    """K13: ModelBuilder with InferenceSpec and SchemaBuilder; its pickle is read by the SDK, which is laid over the image."""
    assert run_program(sdk, f"{sdk}_model_builder.py").endswith(f"{sdk} model builder: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_adapters(sdk: str, server: Server, run_program: RunProgram) -> None:
    """K06: adapter inference components; each says what the base says once the adapter is merged into its weights."""
    text_adapters = importlib.import_module("support.text_adapters")
    jobs = importlib.import_module("support.jobs")
    found = {name: text_adapters.adapter(seed) for name, seed in (("one", 1), ("two", 2))}
    prefix, archives = text_model(server), []
    for name, files in found.items():
        server.client("s3").put_object(Bucket="text-models-of-clients", Key=f"adapters/{name}.tar.gz", Body=jobs.archive(files))
        archives.append(f"s3://text-models-of-clients/adapters/{name}.tar.gz")
    output = run_program(sdk, f"{sdk}_adapters.py", prefix, *archives)
    said = [
        f"{sdk}-base: defghi",
        *(f"{sdk}-adapter-{at}: {text_adapters.merged(each, 'abc', 6)}" for at, each in enumerate(found.values())),
    ]
    assert "\n".join(said) in output
    assert output.endswith(f"{sdk} adapters: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_optimize(sdk: str, run_program: RunProgram, tmp_path: Path) -> None:
    """L01, K13: ModelBuilder.optimize of a model that the SDK takes from the Hugging Face Hub, quantized and in shards; deployed, asked."""
    hub = importlib.import_module("support.hub")
    text_models = importlib.import_module("support.text_models")
    organization = f"sagewright-{sdk}-{secrets.token_hex(4)}"
    downloads = Path("/tmp/sagemaker/model-builder") / organization
    files = text_models.files(text_models.alphabet("xglm"))
    with hub.running_hub(f"{organization}/alphabet", files, tmp_path) as running:
        try:
            output = run_program(sdk, f"{sdk}_optimize.py", running.model, variables=running.variables)
        finally:
            shutil.rmtree(downloads, ignore_errors=True)
    assert output.endswith(f"{sdk} optimize: done\n")
    assert running.refused == []
    assert f"/{running.model}/raw/main/config.json" in running.asked
    assert {path.rpartition("/")[2] for path in running.asked if "/resolve/" in path} == set(files)


def text_model(server: Server) -> str:
    """A prefix with a language model's files."""
    s3, store = server.client("s3"), "text-models-of-clients"
    text_models = importlib.import_module("support.text_models")  # imports torch: only this test waits for it
    s3.create_bucket(Bucket=store)
    for name, content in text_models.files(text_models.alphabet()).items():
        s3.put_object(Bucket=store, Key=f"alphabet/{name}", Body=content)
    return f"s3://{store}/alphabet/"


@pytest.mark.slow
def test_sdk3_rollouts(run_program: RunProgram) -> None:
    """K09, K10: Endpoint.update with a DeploymentConfig while calls go on, InferenceExperiment."""
    assert run_program("sdk3", "sdk3_rollouts.py").endswith("sdk3 rollouts: done\n")


@pytest.mark.slow
@pytest.mark.parametrize("sdk", ["sdk2", "sdk3"])
def test_edge(sdk: str, run_program: RunProgram) -> None:
    """L01, L04: Estimator.compile_model and Model.package_for_edge of v2; EdgePackagingJob and DeviceFleet of sagemaker.core of v3."""
    assert run_program(sdk, f"{sdk}_edge.py").endswith(f"{sdk} edge: done\n")
