"""The words and the configuration that the SDKs' PySparkProcessor sends. Feature rows B07, C01."""

from pathlib import Path

import pytest

from sagewright_container.spark.configuration import Configuration
from sagewright_container.spark.options import Options


def test_folders_stand_for_their_files(tmp_path: Path) -> None:
    for name in ("b.py", "a.py"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    words = [
        "--py-files",
        f"{tmp_path},/x.zip",
        "--class",
        "C",
        "--local-spark-event-logs-dir",
        "/logs",
        "app.py",
        "--jars",
        "1",
    ]
    found = Options.parse(words)
    assert found.event_logs == "/logs"
    assert found.submit_words() == [
        *("--py-files", f"{tmp_path}/a.py,{tmp_path}/b.py,/x.zip", "--class", "C", "app.py"),
        *("--jars", "1"),  # the application's own
    ]


def test_words_that_mean_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Options.parse(["--py-file", "x"])
    assert "smspark-submit" in capsys.readouterr().err


def test_emrs_classifications() -> None:
    found = Configuration.of(
        [
            {"Classification": "spark-defaults", "Properties": {"spark.executor.memory": "2g", "spark.cores.max": 3}},
            {"Classification": "core-site", "Properties": {"fs.x": "y"}},
            {
                "Classification": "spark-env",
                "Properties": {},
                "Configurations": [{"Classification": "export", "Properties": {"A": "b"}}],
            },
            {"Classification": "spark-log4j", "Properties": {"x": "y"}},
        ]
    )
    assert found.properties == {"spark.executor.memory": "2g", "spark.cores.max": "3", "spark.hadoop.fs.x": "y"}
    assert found.environment == {"A": "b"}
    assert found.ignored == ("spark-log4j",)


@pytest.mark.parametrize("document", [["x"], {"Properties": {}}, {"Classification": "spark-defaults", "Properties": []}])
def test_another_form(document: object) -> None:
    with pytest.raises(ValueError, match="must"):
        Configuration.of(document)
