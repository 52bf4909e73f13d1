"""Kubernetes manifests, and what a kubelet makes of them."""

import re
import shutil
from pathlib import Path

import yaml  # Debian's python3-yaml (scripts/install-deps.sh).


class Strict(yaml.SafeLoader):
    """A key that comes twice is a mistake; kubectl takes one of them."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice the same key: {keys} {node.start_mark}"
        return super().construct_mapping(node, deep)


def parsed(text):
    """Its documents."""
    return list(yaml.load_all(text, Strict))


def of_kind(all_of_them, *kinds):
    return [each for each in all_of_them if each["kind"] in kinds]


def one(found):
    assert len(found) == 1, found
    return found[0]


def workloads(all_of_them):
    return of_kind(all_of_them, "Deployment", "StatefulSet")


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def containers(workload):
    return [*pod_of(workload).get("initContainers", ()), *pod_of(workload)["containers"]]


def labels_of(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def seconds(duration):
    return sum(int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))


def port_of(address):
    return int(address.rpartition(":")[2])


class Mount:
    """The folder of a projected volume, as the kubelet makes it: what is in it are links into another one, which is
    exchanged as a whole. Its files belong to root, and a group may read them."""

    def __init__(self, folder):
        self.folder = Path(folder) / "mounted"
        self.folder.mkdir()
        self.file = self.folder / "canaryd.yaml"
        self._count = 0

    def put(self, text, tokens):
        self._count += 1
        fresh = self.folder / f"..{self._count}"
        (fresh / "tokens").mkdir(parents=True)
        contents = {"canaryd.yaml": text, **{f"tokens/{name}": token for name, token in tokens.items()}}
        for name, content in contents.items():
            (fresh / name).write_text(content, encoding="utf-8")
            (fresh / name).chmod(0o440)
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        link.rename(self.folder / "..data")
        if self._count == 1:
            for name in ("canaryd.yaml", "tokens"):
                (self.folder / name).symlink_to(f"..data/{name}")
        else:
            shutil.rmtree(self.folder / f"..{self._count - 1}")
