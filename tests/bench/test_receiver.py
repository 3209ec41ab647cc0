"""The benchmark's receiver answers as the path says at which it is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bench.api import address_of
from bench.children import Command, running

RECEIVER = Command(label="receiver", module="bench.receiver")


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """One that runs, as a process of its own."""
    async with running([RECEIVER], {}, tmp_path) as (child,):
        address = await address_of(child, "receiver")
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            yield client


async def test_receiver_gives_every_request_a_code_of_its_own(receiver: httpx.AsyncClient) -> None:
    """At once or after a while, by whichever method, over one connection; and it has counted them."""
    codes = set()
    for method, path in (("POST", "/quick"), ("PUT", "/quick?a=b"), ("POST", "/wait/20")):
        answer = await receiver.request(method, path, content=b"x" * 5_000)
        assert answer.status_code == 200
        codes.add(answer.json()["couponCode"])
    assert len(codes) == 3
    assert (await receiver.get("/told")).json() == {"/quick": 2, "/wait/20": 1}


async def test_receiver_that_hangs_says_nothing_and_answers_others(
    receiver: httpx.AsyncClient,
) -> None:
    """Who calls `/hang` waits until it gives up; meanwhile others get their codes."""
    hanging = asyncio.create_task(receiver.post("/hang", json={}))
    while (await receiver.get("/told")).json() != {"/hang": 1}:
        assert not hanging.done()
    assert json.loads((await receiver.post("/quick")).content)["couponCode"]
    assert not hanging.done()
    hanging.cancel()
