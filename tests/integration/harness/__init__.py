"""Drives the real binaries over loopback; standard library only."""

from .case import IntegrationCase
from .daemon import CANARYCTL, CANARYD, Daemon, base_config, can_have_hosts, ctl, program, to_yaml
from .events import EventStream
from .everything import EverythingCase
from .prometheus import Prometheus
from .provider import Provider, sample
from .raw_client import RawClient
from .schema import Checker
from .side_by_side import run_side_by_side
from .terminal import Screen, Terminal
from .upstream import ScriptedUpstream, pattern
from .waiting import PATIENCE, stays, wait_until

__all__ = [
    "CANARYCTL", "CANARYD", "Checker", "Daemon", "EventStream", "EverythingCase", "IntegrationCase", "PATIENCE",
    "Prometheus", "Provider", "RawClient", "Screen", "ScriptedUpstream", "Terminal", "base_config", "can_have_hosts",
    "ctl", "pattern", "program", "run_side_by_side", "sample", "stays", "to_yaml", "wait_until",
]
