"""What runs elsewhere runs the same commands that a contributor runs."""

import re
import tomllib
from pathlib import Path

import yaml

from servers import SERVERS

REPOSITORY = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yml").read_text())
HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
(JOB,) = WORKFLOW["jobs"].values()
MATRIX = JOB["strategy"]["matrix"]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_the_workflow_installs_the_servers_and_runs_the_checks_and_then_the_tests():
    install, *ours = [step["run"] for step in JOB["steps"] if "run" in step and "if" not in step]

    assert install.endswith(" ".join(server.package for server in SERVERS.values()))
    assert ours == ["bin/check", "bin/test"]


def test_the_workflow_runs_on_every_python_that_the_package_says_it_supports():
    supported = re.findall(r"Programming Language :: Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))

    assert MATRIX["python"] == supported
    assert PROJECT["requires-python"] == f">={supported[0]}"


def test_the_workflow_runs_with_the_oldest_releases_that_the_package_allows():
    oldest = " ".join(PROJECT["dependencies"]).replace(">=", "==")

    assert oldest in [run["instead"] for run in MATRIX["include"]]


def test_the_workflow_may_only_read():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOB


def test_hooks_are_commands_of_this_repository():
    (repository,) = HOOKS["repos"]

    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert (REPOSITORY / hook["entry"].split()[0]).exists()
