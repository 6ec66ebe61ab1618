"""The manifests are what Kubernetes takes, restricted, and name each other rightly."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.harness.exported import exported, used
from tests.unit.documents import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
LISTED = [path.parent / name for path in FOLDER.rglob("kustomization.yaml")
          for name in yaml.safe_load(path.read_text("utf-8"))["resources"]]  # fmt: skip
MANIFESTS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text("utf-8")) for path in LISTED
}
BUILT_IN = [name for name, m in MANIFESTS.items() if "coreos" not in m["apiVersion"]
            and "keda" not in m["apiVersion"]]  # fmt: skip
PODS = ("migrate", "deployment")
VERSIONS = ("1.29", "1.32")
APP = "app.kubernetes.io/name"


def pod(name: str) -> dict[str, Any]:
    return dict(MANIFESTS[name]["spec"]["template"]["spec"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", BUILT_IN)
def test_kubernetes_takes_it(name: str, version: str):
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_every_manifest_is_in_a_kustomization():
    there = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert there == set(LISTED)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_restricted(name: str):
    """What the standard `restricted` asks for, and a root file system that nobody writes."""
    spec = pod(name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "volumes"} & set(spec)
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_user_is_the_one_of_the_image():
    assert "USER 65532:65532" in (ROOT / "Dockerfile").read_text()
    assert {pod(name)["securityContext"]["runAsUser"] for name in PODS} == {65532}


def test_names_lead_to_each_other():
    labels = MANIFESTS["deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= MANIFESTS["service"]["spec"]["selector"].items()
    assert labels.items() >= MANIFESTS["disruption"]["spec"]["selector"]["matchLabels"].items()
    chosen = MANIFESTS["servicemonitor"]["spec"]["selector"]["matchLabels"]
    assert MANIFESTS["service"]["metadata"]["labels"].items() >= chosen.items()
    [port] = pod("deployment")["containers"][0]["ports"]
    assert MANIFESTS["service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert MANIFESTS["servicemonitor"]["spec"]["endpoints"][0]["port"] == port["name"]
    [policed] = MANIFESTS["network"]["spec"]["podSelector"]["matchExpressions"]
    assert set(policed["values"]) == {
        MANIFESTS[name]["spec"]["template"]["metadata"]["labels"][APP] for name in PODS
    }


def test_the_ports_that_the_settings_can_name_are_open():
    """Names, PostgreSQL, PgBouncer, HTTPS, mail and traces."""
    rules = MANIFESTS["network"]["spec"]["egress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == {
        53, 5432, 6432, 443, 587, 4318,
    }  # fmt: skip


def test_a_drain_has_the_time_it_needs():
    from resumer_daemon.config import Settings
    from resumer_daemon.daemon.daemon import GRACE

    drain = Settings.model_fields["drain_timeout"].default
    assert pod("deployment")["terminationGracePeriodSeconds"] > drain + GRACE


def test_the_rules_of_the_operator_are_those_of_prometheus():
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text("utf-8"))
    assert MANIFESTS["prometheusrule"]["spec"] == rules


def test_it_scales_on_a_metric_that_there_is():
    spec = MANIFESTS["scaledobject"]["spec"]
    [trigger] = spec["triggers"]
    assert used(trigger["metadata"]["query"]) <= exported()
    assert spec["scaleTargetRef"]["name"] == MANIFESTS["deployment"]["metadata"]["name"]
    assert spec["minReplicaCount"] == MANIFESTS["deployment"]["spec"]["replicas"]


def test_the_database_is_read_from_a_secret():
    for name in PODS:
        [container] = pod(name)["containers"]
        [url] = container["env"]
        assert url["name"] == "RESUMER_DATABASE_URL"
        assert set(url["valueFrom"]) == {"secretKeyRef"}
    assert not [p for p in Path(FOLDER).rglob("*") if p.is_file() and "postgresql://" in
                p.read_text("utf-8") and p.name != "kustomization.yaml"]  # fmt: skip
