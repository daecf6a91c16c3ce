"""Two slixmpp clients against a running server: the script of other-makers.test.ts, one line of JSON per step.

Arguments: host port domain user-one user-two password. Ends with 0 when every step was seen.
"""

import asyncio
import json
import logging
import ssl
import sys

import slixmpp

HOST, PORT, DOMAIN, ONE, TWO, PASSWORD = sys.argv[1:7]
PATIENCE = 20


def tell(step: str, **more: object) -> None:
    print(json.dumps({"step": step, **more}), flush=True)


class Client(slixmpp.ClientXMPP):
    """A client whose events wait in queues until the script asks for them."""

    def __init__(self, user: str, resource: str):
        super().__init__(f"{user}@{DOMAIN}/{resource}", PASSWORD)
        for plugin in ("xep_0030", "xep_0092", "xep_0198", "xep_0199", "xep_0202", "xep_0203", "xep_0280", "xep_0313"):
            self.register_plugin(plugin)
        self.auto_authorize = None
        self.ssl_context = ssl.create_default_context()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.messages: asyncio.Queue = asyncio.Queue()
        self.presences: asyncio.Queue = asyncio.Queue()
        self.requests: asyncio.Queue = asyncio.Queue()
        self.carbons: asyncio.Queue = asyncio.Queue()
        self.ready = asyncio.Event()
        self.resumed = asyncio.Event()
        self.failure = None
        self.add_event_handler("session_start", lambda _: self.ready.set())
        self.add_event_handler("session_resumed", lambda _: self.resumed.set())
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("presence", self.presences.put_nowait)
        self.add_event_handler("presence_subscribe", self.requests.put_nowait)
        self.add_event_handler("carbon_received", self.carbons.put_nowait)
        self.add_event_handler("carbon_sent", self.carbons.put_nowait)
        self.add_event_handler("failed_all_auth", self.fail)

    def fail(self, _: object) -> None:
        self.failure = "not authenticated"
        self.ready.set()

    async def enter(self, available: bool = True) -> None:
        self.connect((HOST, int(PORT)))
        await asyncio.wait_for(self.ready.wait(), PATIENCE)
        if self.failure:
            raise RuntimeError(self.failure)
        await self.get_roster()
        if available:
            self.send_presence()

    async def next(self, queue: asyncio.Queue, fits, what: str):
        async def search():
            while True:
                one = await queue.get()
                if fits(one):
                    return one

        try:
            return await asyncio.wait_for(search(), PATIENCE)
        except asyncio.TimeoutError:
            raise RuntimeError(f"{self.boundjid}: {what} did not come") from None

    async def leave(self) -> None:
        await self.disconnect(wait=1)


async def script() -> None:
    one, two = Client(ONE, "desk"), Client(TWO, "desk")
    await one.enter()
    await two.enter()
    tell("login", one=str(one.boundjid), two=str(two.boundjid))

    one.send_presence_subscription(pto=two.boundjid.bare, ptype="subscribe")
    request = await two.next(two.requests, lambda p: p["from"].bare == one.boundjid.bare, "the request")
    two.send_presence_subscription(pto=request["from"].bare, ptype="subscribed")
    two.send_presence_subscription(pto=request["from"].bare, ptype="subscribe")
    await one.next(one.requests, lambda p: p["from"].bare == two.boundjid.bare, "the request back")
    one.send_presence_subscription(pto=two.boundjid.bare, ptype="subscribed")
    await one.next(one.presences, lambda p: p["type"] == "available" and p["from"] == two.boundjid, "two's presence")
    await two.next(two.presences, lambda p: p["type"] == "available" and p["from"] == one.boundjid, "one's presence")
    tell("contact")

    two.send_presence(pshow="away", pstatus="tea")
    seen = await one.next(one.presences, lambda p: p["from"] == two.boundjid and p["show"] == "away", "away")
    assert seen["status"] == "tea"
    tell("presence")

    one.send_message(mto=two.boundjid.bare, mbody="hello two", mtype="chat")
    said = await two.next(two.messages, lambda m: m["body"] == "hello two", "hello two")
    two.send_message(mto=said["from"], mbody="hello one", mtype="chat")
    await one.next(one.messages, lambda m: m["body"] == "hello one", "hello one")
    tell("chat")

    ping = await one["xep_0199"].ping(DOMAIN)
    version = await one["xep_0092"].get_version(DOMAIN)
    info = await one["xep_0030"].get_info(jid=DOMAIN)
    tell("services", ping=ping, version=version["software_version"]["name"], features=len(info["disco_info"]["features"]))

    phone = Client(ONE, "phone")
    await phone.enter()
    await phone["xep_0280"].enable()
    one.send_message(mto=two.boundjid.full, mbody="with a copy", mtype="chat")
    copy = await phone.next(phone.carbons, lambda m: m["carbon_sent"]["body"] == "with a copy", "the carbon")
    tell("carbons", copy=str(copy["from"]))
    await phone.leave()

    await two.leave()
    await one.next(one.presences, lambda p: p["type"] == "unavailable" and p["from"].bare == two.boundjid.bare, "gone")
    for n in range(3):
        one.send_message(mto=f"{TWO}@{DOMAIN}", mbody=f"while you were out {n}", mtype="chat")
    await one["xep_0199"].ping(DOMAIN)
    again = Client(TWO, "desk")
    await again.enter()
    for n in range(3):
        late = await again.next(again.messages, lambda m: m["body"] == f"while you were out {n}", f"offline {n}")
        assert late["delay"]["stamp"], "a delay stamp"
    tell("offline")

    page = await again["xep_0313"].retrieve(with_jid=slixmpp.JID(f"{ONE}@{DOMAIN}"), rsm={"max": 50})
    bodies = [one_["mam_result"]["forwarded"]["stanza"]["body"] for one_ in page["mam"]["results"]]
    assert bodies[:2] == ["hello two", "hello one"], bodies
    assert bodies[-3:] == [f"while you were out {n}" for n in range(3)], bodies
    tell("archive", bodies=bodies)

    lost = asyncio.Event()
    again.add_event_handler("disconnected", lambda _: lost.set())
    again.transport.abort()
    await asyncio.wait_for(lost.wait(), PATIENCE)
    one.send_message(mto=f"{TWO}@{DOMAIN}", mbody="into the gap", mtype="chat")
    again.connect((HOST, int(PORT)))
    await asyncio.wait_for(again.resumed.wait(), PATIENCE)
    await again.next(again.messages, lambda m: m["body"] == "into the gap", "the message after the cut")
    tell("resume")
    await again.leave()
    await one.leave()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.ERROR, stream=sys.stderr)
    asyncio.get_event_loop().run_until_complete(asyncio.wait_for(script(), 120))
