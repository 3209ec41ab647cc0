"""The contestants that are services: how each is started and which group it joins."""

from __future__ import annotations

from bench.children import Command
from bench.race import Service
from bench.stage import Stage
from services.runtime.settings import Settings

COUPONRY = "services.cli"
PEERS = "bench.peers"
LANES: int = Settings.model_fields["issuer_lanes"].default
"""Consumers of one issuer: all must have joined, or their joining is measured too."""


def couponry(issuers: int) -> Service:
    """This service: so many issuer processes and the relay."""
    issuer = Command(label="issuer", module=COUPONRY, arguments=("issuer",))
    relay = Command(label="relay", module=COUPONRY, arguments=("relay",))
    return Service(
        name=f"couponry-{issuers}",
        commands=(*(issuer for _ in range(issuers)), relay),
        environment=Stage.service_environment,
        group=lambda stage: stage.settings.consumer_group,
        members=issuers * LANES,
        publishes_once=True,
    )


def peer(name: str, module: str, *arguments: str, members: int = 1) -> Service:
    return Service(
        name=name,
        commands=(Command(label="service", module=f"{PEERS}.{module}", arguments=arguments),),
        environment=lambda stage: stage.peer_wiring(name).environment(),
        group=lambda stage: stage.peer_wiring(name).group,
        members=members,
    )


SERVICES = {
    service.name: service
    for service in (
        couponry(1),
        couponry(2),
        peer("faststream-1", "faststream_service", "--workers", "1"),
        peer("faststream-16", "faststream_service", "--workers", "16", members=16),
        peer("handwritten", "handwritten"),
    )
}
BARE_PUBLISH = peer("bare-publish", "bare_publish")
