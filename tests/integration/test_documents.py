"""What the documents show must work: files are valid, commands exist, links lead somewhere."""

import re
import subprocess
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

from harness import CANARYD, IntegrationCase, Provider, ctl, sample, wait_until

ROOT = Path(__file__).resolve().parents[2]


def another_day():
    """A freeze window that does not open while the test runs."""
    in_three_days = datetime.now(timezone.utc) + timedelta(days=3)
    return {"days": [in_three_days.strftime("%a").lower()]}


class DocumentsTest(IntegrationCase):
    def validate(self, file):
        done = subprocess.run(
            [CANARYD, "validate", "-c", str(file)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_files_of_the_readme(self):
        blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        self.assertTrue(blocks)
        for number, block in enumerate(blocks):
            file = Path(self.folder) / f"readme{number}.yaml"
            file.write_text(block, encoding="utf-8")
            self.validate(file)

    def test_file_of_the_image(self):
        self.validate(ROOT / "docker/canaryd.yaml")

    def test_commands_of_the_readme(self):
        text = ctl("--help").stdout
        for command in ("status", "start", "pause", "resume", "promote", "set-weight", "abort", "rollback", "history"):
            self.assertRegex(text, rf"\b{command}\b")

    def test_metrics_of_the_contract(self):
        scripted = {name: self.upstream(name) for name in ("v1", "v2")}
        # Limits, a file of endpoints and a mirror, so that their metrics are there too.
        upstreams = {name: {"endpoints": [upstream.address], "concurrency": {"max": 100}}
                     for name, upstream in scripted.items()}
        (Path(self.folder) / "v2.yaml").write_text(f"endpoints: [{scripted['v2'].address}]\n", encoding="utf-8")
        upstreams["v2"]["endpoints"] = {"file": "v2.yaml"}
        upstreams["copies"] = {"endpoints": [self.upstream("copies").address]}
        provider = Provider(sample(1))
        self.addCleanup(provider.stop)
        config = self.rollout_config(
            start="auto", upstreams=upstreams,
            rollout={"exposure": {"max_failed_requests": 20}, "freeze": [another_day()], "retire": {},
                     "hooks": [{"on": ["promoted"], "http": {"url": f"http://{scripted['v1'].address}/told"}}]},
            analysis={"queries": [{"name": "one", "prometheus": provider.url, "query": "one", "min": 1}]})
        config["routes"][0]["mirror"] = {"to": "copies"}
        self.start(scripted, **config)
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")
        self.version_of("someone")
        wait_until(lambda: self.daemon.metric("canaryd_requests_total", cohort="stable") is not None, "the first request counted")
        wait_until(lambda: self.daemon.metric("canaryd_mirror_requests_total"), "its copy counted")
        wait_until(lambda: self.daemon.metric("canaryd_analysis_reading") == 1, "the reading of the query")
        shown = set(re.findall(r"^# TYPE (\S+)", self.daemon.metrics(), re.MULTILINE))
        section = (ROOT / "docs/interfaces.md").read_text(encoding="utf-8").split("## 4. Metrics")[1].split("\n## ")[0]
        shown.add("canaryd_rollout_observed_ratio")  # Comes with enough traffic.
        self.assertEqual(set(re.findall(r"`((?:canaryd|process)_\w+)`", section)), shown)

    def test_links(self):
        for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
            text = re.sub(r"`[^`\n]*`", "", document.read_text(encoding="utf-8"))
            for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
                self.assertTrue((document.parent / link).exists(), f"{document.relative_to(ROOT)}: {link}")


if __name__ == "__main__":
    unittest.main()
