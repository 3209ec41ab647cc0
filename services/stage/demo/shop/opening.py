"""The shop opens: its program is loaded, and told to who watches."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rich.console import Console

from services.adapters.postgres.partners import NewPartner
from services.admin.program import load_program
from services.runtime.settings import Settings
from services.stage.demo.live import step
from services.stage.demo.shop.program import OFFERS, Offer, program_file
from services.stage.demo.shop.receiver import Receiver
from services.terminal.program_file import read_file


async def open_shop(
    settings: Settings, partner: NewPartner, system: Receiver, console: Console
) -> Mapping[Offer, int]:
    """Load its program from a file, as `program load` does; the rule that each offer has become."""
    file = settings.state_dir / "program.json"
    document = program_file(partner.id)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    changed, *_ = await load_program(settings, str(file), read_file(file))
    step(console, 6, "A small shop", f"partner {partner.id} and its program, from {file}")
    tiers = ", ".join(
        f"{tier['name']} from {tier['minProgress']} EUR" for tier in document["tiers"]
    )
    told = " and ".join(str(each.off) for each in OFFERS if each.is_told)
    for what, text in (
        ("tiers", tiers),
        ("campaigns", ", ".join(each["name"] for each in document["campaigns"])),
        ("referrals", "who brings a friend, and the friend"),
        ("points", f"end after {document['redemption']['pointsExpiryPeriod']} days"),
        ("coupons", ", ".join(f"{each.off} off for {each.points} points" for each in OFFERS)),
        ("codes", f"of coupons for {told} come from the shop's own system, {system.url}"),
    ):
        console.print(f"      {what:<11}{text}", soft_wrap=True)
    ids = (rule.id for rule in changed.after.redemption.rules)
    return {offer: id_ for offer, id_ in zip(OFFERS, ids, strict=True) if id_ is not None}
