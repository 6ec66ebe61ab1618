"""The manifests match the schemas of Kubernetes, are restricted, and refer to each other."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.harness.monitoring import exported, used
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
def test_manifest_matches_the_kubernetes_schema(name: str, version: str):
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_kustomizations_list_every_manifest():
    there = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert there == set(LISTED)


@pytest.mark.parametrize("name", PODS)
def test_pod_meets_the_restricted_standard(name: str):
    """The standard `restricted`, and a read-only root file system."""
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


def test_pods_run_as_the_user_of_the_image():
    assert "USER 65532:65532" in (ROOT / "Dockerfile").read_text()
    assert {pod(name)["securityContext"]["runAsUser"] for name in PODS} == {65532}


def test_selectors_and_ports_match():
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


def test_network_policy_opens_the_ports_of_the_settings():
    """Names, PostgreSQL, PgBouncer, HTTPS, mail and traces."""
    rules = MANIFESTS["network"]["spec"]["egress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == {
        53, 5432, 6432, 443, 587, 4318,
    }  # fmt: skip


def test_grace_period_is_longer_than_a_drain():
    from resumer_daemon.config import Settings
    from resumer_daemon.daemon.daemon import GRACE

    drain = Settings.model_fields["drain_timeout"].default
    assert pod("deployment")["terminationGracePeriodSeconds"] > drain + GRACE


def test_prometheusrule_equals_the_prometheus_rules():
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text("utf-8"))
    assert MANIFESTS["prometheusrule"]["spec"] == rules


def test_scaling_uses_an_existing_metric():
    spec = MANIFESTS["scaledobject"]["spec"]
    [trigger] = spec["triggers"]
    assert used(trigger["metadata"]["query"]) <= exported()
    assert spec["scaleTargetRef"]["name"] == MANIFESTS["deployment"]["metadata"]["name"]
    assert spec["minReplicaCount"] == MANIFESTS["deployment"]["spec"]["replicas"]


def test_database_address_comes_from_a_secret():
    for name in PODS:
        [container] = pod(name)["containers"]
        [url] = container["env"]
        assert url["name"] == "RESUMER_DATABASE_URL"
        assert set(url["valueFrom"]) == {"secretKeyRef"}
    assert not [p for p in Path(FOLDER).rglob("*") if p.is_file() and "postgresql://" in
                p.read_text("utf-8") and p.name != "kustomization.yaml"]  # fmt: skip
