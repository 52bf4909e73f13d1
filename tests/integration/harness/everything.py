"""A daemon that has every optional part, so that no metric is left out for want of a setting."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

from .case import IntegrationCase
from .provider import Provider, sample
from .waiting import wait_until


def another_day():
    """A freeze window that does not open while the test runs."""
    in_three_days = datetime.now(timezone.utc) + timedelta(days=3)
    return {"days": [in_three_days.strftime("%a").lower()]}


class EverythingCase(IntegrationCase):
    def start_everything(self):
        """The rollout `shop` in progress, at its first step."""
        scripted = {name: self.upstream(name) for name in ("v1", "v2")}
        upstreams = {name: {"endpoints": [upstream.address], "concurrency": {"max": 100}}
                     for name, upstream in scripted.items()}
        (Path(self.folder) / "v2.yaml").write_text(f"endpoints: [{scripted['v2'].address}]\n", encoding="utf-8")
        upstreams["v2"]["endpoints"] = {"file": "v2.yaml"}
        upstreams["copies"] = {"endpoints": [self.upstream("copies").address]}
        provider = Provider(sample(1))
        self.addCleanup(provider.stop)
        config = self.rollout_config(
            start="auto", upstreams=upstreams,
            rollout={"exposure": {"max_failed_requests": 20}, "parity": {}, "freeze": [another_day()], "retire": {},
                     "hooks": [{"on": ["promoted"], "http": {"url": f"http://{scripted['v1'].address}/told"}}]},
            analysis={"queries": [{"name": "one", "prometheus": provider.url, "query": "one", "min": 1}]})
        config["routes"][0]["mirror"] = {"to": "copies"}
        self.start(scripted, **config)
        self.daemon.post("/api/v1/rollouts/shop/start")  # It would wait for parity.
        wait_until(lambda: self.daemon.rollout()["state"] == "progressing", "the start of the rollout")

    def show_everything(self):
        """With traffic, until there is every metric but the one that comes with a rollback."""
        self.daemon.set_weight(50)
        self.start_load(rate=100)
        for name in ("canaryd_analysis_observed_ratio", "canaryd_analysis_tolerated_ratio", "canaryd_analysis_reading",
                     "canaryd_rollout_observed_ratio"):
            wait_until(lambda: self.daemon.metric(name) is not None, name, 30)
