// A rollout as the API answers, that is under way.
#pragma once

namespace canaryd::cli {

inline constexpr const char* kCheckout =
    R"({"name": "checkout", "generation": 17, "state": "progressing",
 "reason": null, "since": "2026-01-05T10:02:00Z", "for": "3m10s", "stable": "shop-v1",
 "canary": "shop-v2", "revision": "2.4.0", "mode": "enforce",
 "step": {"index": 1, "count": 5, "weight": 5, "elapsed": "3m10s", "min_duration": "10m",
          "requests": 812, "gate": null},
 "steps": [{"weight": 1, "gate": null}, {"weight": 5, "gate": null}, {"weight": 10, "gate": null},
           {"weight": 25, "gate": "product-owner"}, {"weight": 100, "gate": null}],
 "bake": "1d", "weight": {"target": 5, "actual": 4.93, "sample_ratio_ok": true},
 "cohorts": {"stable": {"rps": 51.2, "requests": 15433, "error_rate": 0.0021, "p50": 0.011,
                        "p90": 0.041, "p99": 0.088},
             "canary": {"rps": 2.7, "requests": 812, "error_rate": 0.0025, "p50": 0.012,
                        "p90": 0.043, "p99": 0.09}},
 "analysis": [{"metric": "errors", "verdict": "open", "stable": 0.0021, "canary": 0.0025,
               "tolerated": 0.0033, "evidence": {"rollback": 0.04, "accept": 0.61},
               "needs_about": "6m"}],
 "exposure": {"failed": 1, "saved": 3, "max": 20},
 "next": "weight 10 in about 9m, when latency p99 is accepted", "durable": true})";

}  // namespace canaryd::cli
