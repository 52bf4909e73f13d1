"""config/examples/kubernetes and docs/kubernetes.md: the manifests agree with one another, with canaryd's file in them
and with the image; and that file works in a folder like the one that a kubelet makes, and changes."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import CANARYCTL, CANARYD, IntegrationCase, ctl, wait_until
from harness.manifests import (Mount, containers, labels_of, of_kind, one, parsed, pod_of, port_of, seconds, workloads)

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "config/examples/kubernetes"
GUIDE = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
PROMETHEUS_JOB = re.search(r"```yaml\n(scrape_configs:.*?)```", GUIDE, re.DOTALL)[1]
FILE = "/etc/canaryd/canaryd.yaml"
TOKENS = {"admin": "a" * 32, "metrics": "m" * 32}


def documents(name):
    return parsed((MANIFESTS / name).read_text(encoding="utf-8"))


ALL = [each for file in sorted(MANIFESTS.iterdir()) for each in documents(file.name)]


class PodFile:
    """One file: its documents, what canaryd makes of the configuration in it, and where canaryd runs."""

    name = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="canaryd-test-")
        self.addCleanup(folder.cleanup)
        self.documents = documents(self.name)
        self.map = one(of_kind(self.documents, "ConfigMap"))
        self.mount = Mount(folder.name)
        self.mount.put(self.map["data"]["canaryd.yaml"], TOKENS)
        dumped = self.canaryd("config-dump")
        self.assertEqual(dumped.returncode, 0, dumped.stderr)
        self.config = one(parsed(dumped.stdout))
        self.workload = one([each for each in workloads(self.documents)
                             if "canaryd" in [container["name"] for container in containers(each)]])
        self.pod = pod_of(self.workload)
        self.container = one([each for each in containers(self.workload) if each["name"] == "canaryd"])
        self.others = [each for each in containers(self.workload) if each is not self.container]

    def canaryd(self, command):
        return subprocess.run([CANARYD, command, "-c", str(self.mount.file)], capture_output=True, text=True, timeout=60,
                              check=False)

    def test_the_configuration_is_valid(self):
        valid = self.canaryd("validate")
        self.assertEqual((valid.returncode, valid.stderr), (0, ""))
        self.assertRegex(valid.stdout, r"^\S+ is valid\n$")

    def test_it_runs_as_the_image_says(self):
        stage = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8").split(" AS canaryd\n")[1]

        def says(word):
            return one(re.findall(rf"^{word} (.*)$", stage, re.MULTILINE))

        user, group = map(int, says("USER").split(":"))
        context = self.pod["securityContext"]
        self.assertEqual((context["runAsUser"], context["runAsGroup"], context["fsGroup"]), (user, group, group))
        self.assertEqual(json.loads(says("ENTRYPOINT")), ["/usr/bin/canaryd"])
        self.assertNotIn("command", self.container)
        self.assertEqual(self.container["args"], json.loads(says("CMD")))
        self.assertEqual(self.container["args"][-1], FILE)
        self.assertEqual(self.config["state"]["dir"], says("VOLUME"))

    def test_ports_and_probes(self):
        ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        listener = one(self.config["listeners"])
        self.assertEqual(ports, {"http": port_of(listener["address"]), "admin": port_of(self.config["admin"]["address"])})
        # Others than the pod itself get to them.
        for address in (listener["address"], self.config["admin"]["address"]):
            self.assertTrue(address.startswith("0.0.0.0:"), address)
        for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
            self.assertEqual(self.container[probe]["httpGet"], {"path": path, "port": "admin"}, probe)
        self.assertIsInstance(self.config["workers"], int)

    def test_one_writer_for_each_journal(self):
        self.assertEqual(self.workload["kind"], "StatefulSet")
        claim = one(self.workload["spec"]["volumeClaimTemplates"])
        self.assertEqual(claim["spec"]["accessModes"], ["ReadWriteOnce"])
        mounts = {mount["mountPath"]: mount for mount in self.container["volumeMounts"]}
        self.assertEqual(set(mounts), {os.path.dirname(FILE), self.config["state"]["dir"]})
        state = mounts[self.config["state"]["dir"]]
        self.assertEqual(state, {"name": claim["metadata"]["name"], "mountPath": self.config["state"]["dir"]})
        for other in self.others:
            self.assertNotIn("volumeMounts", other)

    def test_the_files_are_where_they_are_looked_for(self):
        made = re.search(r"kubectl create secret generic (\S+)((?: --from-file=\w+)+)", GUIDE)
        mount = one([each for each in self.container["volumeMounts"] if each["mountPath"] == os.path.dirname(FILE)])
        # With subPath it would never change.
        self.assertEqual(set(mount), {"name", "mountPath", "readOnly"})
        volume = one([each for each in self.pod["volumes"] if each["name"] == mount["name"]])["projected"]
        config, secret = volume["sources"]
        self.assertEqual(config, {"configMap": {"name": self.map["metadata"]["name"]}})
        self.assertEqual(list(self.map["data"]), [os.path.basename(FILE)])
        self.assertEqual((secret["secret"]["name"], volume["defaultMode"]), (made[1], 0o440))
        files = {item["path"]: item["key"] for item in secret["secret"]["items"]}
        self.assertEqual(sorted(files.values()), sorted(re.findall(r"--from-file=(\w+)", made[2])))
        tokens = {token["token_file"]: token["role"] for token in self.config["admin"]["tokens"]}
        self.assertEqual(set(tokens), set(files))
        self.assertEqual(tokens["tokens/metrics"], "viewer")
        shown = one([each for each in self.container["env"] if each["name"] == "CANARYD_TOKEN_FILE"])["value"]
        self.assertEqual(tokens[os.path.relpath(shown, os.path.dirname(FILE))], "admin")

    def test_there_is_time_to_end(self):
        drain = self.config["drain"]
        before = [each["lifecycle"]["preStop"]["sleep"]["seconds"] for each in self.others]
        needed = max([0, *before]) + seconds(drain["delay"]) + seconds(drain["timeout"])
        self.assertGreaterEqual(self.pod["terminationGracePeriodSeconds"], needed + 10)
        self.assertNotIn("lifecycle", self.container)

    def everything(self):
        return self.documents

    def test_names_lead_to_pods(self):
        found = of_kind(self.everything(), "Service")
        services = {each["metadata"]["name"]: each for each in found}
        self.assertEqual(len(services), len(found))
        for service in found:
            workload, container = self.target(service)
            self.assertEqual(workload["spec"]["selector"]["matchLabels"], labels_of(workload))
            # Not everywhere are the named ports of a sidecar known.
            if container.get("restartPolicy") == "Always":
                self.assertIsInstance(one(service["spec"]["ports"])["targetPort"], int)
        governing = services[self.workload["spec"]["serviceName"]]["spec"]
        self.assertEqual((governing["clusterIP"], governing["selector"]), ("None", labels_of(self.workload)))
        asked = [upstream["endpoints"] for upstream in self.config["upstreams"].values()]
        names = [endpoints for endpoints in asked if isinstance(endpoints, dict)]
        self.assertTrue(names)
        for dns in names:
            host, _, port = dns["dns"].rpartition(":")
            # Without an address of its own a Service maps no ports.
            workload, container = self.target(services[host])
            self.assertEqual(services[host]["spec"]["clusterIP"], "None")
            self.assertEqual((one(services[host]["spec"]["ports"])["port"], one(container["ports"])["containerPort"]),
                             (int(port), int(port)))
            # It answers until it has been looked up again, and the cluster's DNS has looked as well.
            answers = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            self.assertGreaterEqual(answers, seconds(dns["refresh"]) + 5)
            self.assertGreater(pod_of(workload).get("terminationGracePeriodSeconds", 30), answers)

    def target(self, service):
        """(workload, container) that its one port leads to."""
        selector = service["spec"]["selector"]
        workload = one([each for each in workloads(self.everything()) if selector.items() <= labels_of(each).items()])
        wanted = one(service["spec"]["ports"])["targetPort"]
        found = [container for container in containers(workload) for port in container["ports"]
                 if wanted in (port["name"], port["containerPort"])]
        return workload, one(found)

    def test_who_may_connect(self):
        policy = one(of_kind(self.documents, "NetworkPolicy"))["spec"]
        self.assertEqual(policy["podSelector"]["matchLabels"], labels_of(self.workload))
        numbers = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        clients, operators = policy["ingress"]
        self.assertIn(one(clients["ports"])["port"], ("http", numbers["http"]))
        self.assertNotIn("from", clients)
        self.assertIn(one(operators["ports"])["port"], ("admin", numbers["admin"]))
        self.assertEqual(one(operators["from"]),
                         {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}})

    def test_prometheus_finds_it(self):
        job = one(one(parsed(PROMETHEUS_JOB))["scrape_configs"])
        kept = one([each for each in job["relabel_configs"] if each.get("action") == "keep"])
        labels = [label.removeprefix("__meta_kubernetes_pod_") for label in kept["source_labels"]]
        self.assertEqual(os.path.basename(job["authorization"]["credentials_file"]), "metrics")
        told = {"annotation_" + re.sub(r"\W", "_", key): value
                for key, value in self.workload["spec"]["template"]["metadata"]["annotations"].items()}
        self.assertEqual((told["annotation_prometheus_io_port"], told["annotation_prometheus_io_path"]),
                         (str(port_of(self.config["admin"]["address"])), "/metrics"))
        known = {**told, "container_name": self.container["name"]}
        values = [";".join({**known, "container_port_name": port["name"]}[label] for label in labels)
                  for port in self.container["ports"]]
        self.assertEqual([bool(re.fullmatch(kept["regex"], value)) for value in values], [False, True])


class EdgeTest(PodFile, unittest.TestCase):
    name = "edge.yaml"

    def everything(self):
        return [*self.documents, *documents("shop.yaml")]

    def test_one_instance_decides(self):
        self.assertEqual((self.workload["spec"]["replicas"], self.others), (1, []))

    def test_others_have_time_to_learn_that_it_ends(self):
        self.assertGreaterEqual(seconds(self.config["drain"]["delay"]), 5)


class SidecarTest(PodFile, unittest.TestCase):
    name = "sidecar.yaml"

    def test_it_is_there_before_the_service_and_after_it(self):
        self.assertEqual((self.pod["initContainers"], self.container["restartPolicy"]), ([self.container], "Always"))
        self.assertEqual(seconds(self.config["drain"]["delay"]), 0)

    def test_it_is_in_front_of_the_service(self):
        service = one(self.others)
        self.assertEqual(self.config["upstreams"]["here"]["endpoints"],
                         [f"127.0.0.1:{one(service['ports'])['containerPort']}"])


class GuideTest(unittest.TestCase):
    def test_every_file_is_there(self):
        self.assertEqual(set(re.findall(r"\(\.\./config/examples/kubernetes/([\w.]+)\)", GUIDE)),
                         {file.name for file in MANIFESTS.iterdir()})

    def test_nobody_may_do_more_than_it_needs(self):
        for workload in workloads(ALL):
            pod = pod_of(workload)
            self.assertIs(pod["automountServiceAccountToken"], False)
            self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for container in containers(workload):
                self.assertEqual(container["securityContext"],
                                 {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                  "capabilities": {"drop": ["ALL"]}})
                self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"})
                self.assertIn("memory", container["resources"]["limits"])
                self.assertRegex(container["image"], r":\d+\.\d+\.\d+$")

    def test_commands(self):
        names = {each["metadata"]["name"]: each for each in workloads(ALL)}
        known = set(re.findall(r"^  ([a-z-]+)", ctl("--help").stdout, re.MULTILINE))
        self.assertIn("reload", known)
        executed = re.findall(r"kubectl exec (\S+) -c (\S+) -- (\S+) (\S+)", GUIDE)
        self.assertGreater(len(executed), 5)
        for pod, container, program, word in executed:
            name, _, number = pod.rpartition("-")
            replicas = names[name]["spec"]["replicas"]
            self.assertIn(int(number.replace("$n", str(replicas - 1))), range(replicas), pod)
            self.assertIn(container, [each["name"] for each in containers(names[name])])
            if program == "canaryctl":
                self.assertIn(word, known)
        for kind, name, container in re.findall(r"kubectl set image (\w+)/(\S+) (\w+)=", GUIDE):
            self.assertEqual(names[name]["kind"].lower(), kind)
            self.assertIn(container, [each["name"] for each in containers(names[name])])
        for kind, name in re.findall(r"kubectl rollout \w+ (\w+)/([\w-]+)", GUIDE):
            self.assertEqual(names[name]["kind"].lower(), kind)
        for file in re.findall(r"-f ([\w.]+\.yaml)", GUIDE):
            self.assertTrue((MANIFESTS / file).is_file(), file)

    @unittest.skipUnless(shutil.which("promtool"), "prometheus is not installed")
    def test_prometheus_takes_the_job(self):
        with tempfile.TemporaryDirectory(prefix="canaryd-test-") as folder:
            token, file = Path(folder) / "metrics", Path(folder) / "prometheus.yml"
            token.write_text(TOKENS["metrics"], encoding="utf-8")
            text = PROMETHEUS_JOB
            # Debian's knows no Kubernetes.
            for pattern, replacement in ((r"credentials_file: [^}]+", f"credentials_file: {token}"),
                                         (r"kubernetes_sd_configs: \[\{role: pod\}\]", "static_configs: []")):
                text, found = re.subn(pattern, replacement, text)
                self.assertEqual(found, 1, pattern)
            file.write_text(text, encoding="utf-8")
            done = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, timeout=60,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class PodTest(IntegrationCase):
    """The configuration of a file, with addresses of this machine in place of the pod's."""

    def start_pod(self, name, changes=()):
        self.text = one(of_kind(documents(name), "ConfigMap"))["data"]["canaryd.yaml"]
        self.upstreams = {}

        def here(found):
            upstream = self.upstreams[found[1]] = self.upstream(found[1])
            address = f"[{upstream.address}]"
            if found[2].startswith("{dns:"):
                address = f'{{dns: "localhost:{upstream.port}", refresh: 1s}}'
            return f"  {found[1]}:\n    endpoints: {address}\n"

        self.change(r"^  ([a-z-]+):\n    endpoints: (.*)\n", here)
        self.change(r"0\.0\.0\.0:\d+", "127.0.0.1:0")
        self.change(r"/var/lib/canaryd", str(Path(self.folder) / "state"))
        self.change(r"drain: .*", "drain: {delay: 0s, timeout: 10s}")
        for pattern, replacement in changes:
            self.change(pattern, replacement)
        self.mount = Mount(self.folder)
        self.mount.put(self.text, TOKENS)
        self.daemon.file = self.mount.file
        self.daemon.command = ["run", "-c", str(self.mount.file)]
        self.daemon.token = TOKENS["admin"]
        self.daemon.start()

    def change(self, pattern, replacement):
        self.text, found = re.subn(pattern, replacement, self.text, flags=re.MULTILINE)
        self.assertGreater(found, 0, pattern)

    def inside(self, *arguments):
        """What `kubectl exec` would run there, with the variable of the manifest."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("CANARYD_")}
        return subprocess.run(
            [CANARYCTL, *arguments], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
            env={**known, "NO_COLOR": "1", "CANARYD_ADDR": self.daemon.admin_url(""),
                 "CANARYD_TOKEN_FILE": str(self.mount.folder / "tokens/admin")})

    def served(self, user="anna"):
        """Where localhost has an address of each family, the upstream listens on one of them, so an answer may be one of
        canaryd's until the other one is out of use."""
        def body():
            response = self.get("/", [("X-User-Id", user)])
            return response.status == 200 and response.body.decode().strip()

        return wait_until(body, "an answer")

    def check_it_serves(self, name, stable):
        self.start_pod(name)
        self.assertEqual(self.served(), stable)
        self.assertEqual(self.inside("status").returncode, 0)
        self.daemon.token = None
        self.assertEqual([self.daemon.status_of(path) for path in ("/livez", "/readyz", "/metrics")], [200, 200, 401])
        self.daemon.token = TOKENS["metrics"]
        self.assertEqual(self.daemon.status_of("/metrics"), 200)
        self.assertEqual(self.daemon.request("POST", "/api/v1/reload", {})[0], 403)

    def test_edge(self):
        self.check_it_serves("edge.yaml", "shop-stable")

    def test_sidecar(self):
        self.check_it_serves("sidecar.yaml", "here")

    def revision(self):
        return self.daemon.rollout()["revision"]

    def test_a_changed_config_map_waits_for_a_reload(self):
        self.start_pod("edge.yaml")
        self.assertIn("nothing changes", self.inside("diff", str(self.mount.file)).stdout)
        self.change('revision: "2.0"', 'revision: "2.1"')
        self.mount.put(self.text, TOKENS)
        self.assertRegex(self.inside("diff", str(self.mount.file)).stdout, r'revision\b.*2\.0.*2\.1')
        self.assertEqual(self.revision(), "2.0")
        done = self.inside("reload", "--reason", "a release")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.revision(), "2.1")
        self.change('revision: "2.1"', 'revision: "2.2"')
        self.mount.put(self.text, TOKENS)
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.revision() == "2.2", "what the signal brings")
        self.mount.put(self.text + "nonsense: 1\n", TOKENS)
        done = self.inside("reload")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"canaryd\.yaml:\d+:1: .*nonsense")
        self.assertEqual(self.revision(), "2.2")
        # The Secret comes the same way.
        self.mount.put(self.text, {**TOKENS, "metrics": "n" * 32})
        self.assertEqual(self.inside("reload").returncode, 0)
        statuses = []
        for token in ("m" * 32, "n" * 32):
            self.daemon.token = token
            statuses.append(self.daemon.status_of("/metrics"))
        self.assertEqual(statuses, [401, 200])

    def test_a_token_for_everybody_is_refused(self):
        """What the guide says of the volume's mode."""
        self.start_pod("edge.yaml")
        (self.mount.folder / "tokens/admin").chmod(0o444)
        done = subprocess.run([CANARYD, "validate", "-c", str(self.mount.file)], capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("cannot be used, for admin.tokens.admin: its mode is too open", done.stderr)

    def test_a_release(self):
        """The steps of the guide, and who serves everybody after each."""
        users = [f"user-{number}" for number in range(20)]

        def served_by():
            return {self.served(user) for user in users}

        self.start_pod("edge.yaml", [(r"duration: 24h", "duration: 0s")])
        for revision in ("2.0", "2.1"):
            if revision == "2.1":
                self.change('revision: "2.0"', 'revision: "2.1"')
                self.mount.put(self.text, TOKENS)
                self.assertEqual(self.inside("reload").returncode, 0)
            self.assertEqual((self.revision(), self.daemon.rollout()["state"]), (revision, "idle"))
            self.assertEqual(served_by(), {"shop-stable"})
            # As soon as both have a healthy endpoint.
            wait_until(lambda: self.inside("start", "shop", "--reason", "release").returncode == 0, "the start")
            self.assertEqual(self.inside("promote", "shop", "--full", "--yes").returncode, 0)
            self.assertEqual(self.inside("wait", "shop", "--for", "promoted", "--timeout", "60s").returncode, 0)
            self.assertEqual(served_by(), {"shop-canary"})


if __name__ == "__main__":
    unittest.main()
