"""A process for `test_process.py`: a service with one behaviour, named by the first argument."""

import asyncio
import sys

from services.runtime import process
from services.runtime.health import Health
from services.runtime.settings import SettingsError, read_settings


async def serve(health: Health) -> None:
    """Behave as told."""
    health.needs("server", lambda: None)
    health.warns("redis", lambda: "Redis is away" if behaviour == "warned" else None)
    if behaviour != "starting":
        health.started()
    health.live(lambda: "no batch for 60 s" if behaviour == "stuck" else None, "progress")
    match behaviour:
        case "return":
            return
        case "crash":
            raise ValueError("code 0123-4567-89AB-CDEF at postgresql://couponry:secret@db/x")
        case "missing":
            raise SettingsError("COUPONRY_REDIS_URL is not set: give the server's address")
        case "deaf":
            await asyncio.Event().wait()
        case "fail-late":
            await health.stopping.wait()
            raise ValueError("the server went first")
        case "unstoppable":
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    print("cancelled, and going on", file=sys.stderr, flush=True)
        case _:
            await health.stopping.wait()
            print("finished the batch", file=sys.stderr, flush=True)


if __name__ == "__main__":
    behaviour = sys.argv[1]
    # The relation, not the length, is tested; what ends at once has to be done with it on a busy machine too.
    process.GRACE_SECONDS, process.CANCEL_SECONDS, process.LAST_RESORT_SECONDS = 1.0, 0.2, 5.0
    sys.exit(process.run_service("sample", read_settings(), serve))
