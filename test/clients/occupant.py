"""A slixmpp client in a room of a running server: says what it is told, and tells what it hears.

Arguments: host port user@domain password room nick. Lines of its input are said; a line of JSON per event; ends with its input.
"""

import asyncio
import json
import logging
import ssl
import sys

import slixmpp

HOST, PORT, ADDRESS, PASSWORD, ROOM, NICK = sys.argv[1:7]
PATIENCE = 20


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


class Occupant(slixmpp.ClientXMPP):
    def __init__(self) -> None:
        super().__init__(f"{ADDRESS}/slixmpp", PASSWORD)
        for plugin in ("xep_0030", "xep_0045", "xep_0092", "xep_0198", "xep_0199", "xep_0203", "xep_0359"):
            self.register_plugin(plugin)
        self.ssl_context = ssl.create_default_context()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.ready = asyncio.Event()
        self.add_event_handler("session_start", lambda _: self.ready.set())
        self.add_event_handler("groupchat_message", self.heard)
        self.add_event_handler("groupchat_subject", lambda m: tell("subject", text=m["subject"]))
        self.add_event_handler(f"muc::{ROOM}::got_online", self.came)
        self.add_event_handler(f"muc::{ROOM}::got_offline", lambda p: tell("left", nick=p["muc"]["nick"]))

    def heard(self, message) -> None:
        tell("heard", nick=message["mucnick"], body=message["body"], id=message["stanza_id"]["id"])

    def came(self, presence) -> None:
        muc = presence["muc"]
        tell("came", nick=muc["nick"], role=muc["role"], affiliation=muc["affiliation"])


async def main() -> None:
    client = Occupant()
    client.connect((HOST, int(PORT)))
    await asyncio.wait_for(client.ready.wait(), PATIENCE)
    await client.get_roster()
    client.send_presence()
    rooms = await client["xep_0030"].get_items(jid=ROOM.split("@", 1)[1])
    info = await client["xep_0030"].get_info(jid=ROOM)
    tell(
        "found",
        rooms=[item[0] for item in rooms["disco_items"]["items"]],
        features=sorted(info["disco_info"]["features"]),
    )
    await client["xep_0045"].join_muc_wait(ROOM, NICK, timeout=PATIENCE, maxstanzas=20)
    tell("joined", roster=sorted(client["xep_0045"].get_roster(ROOM)))
    lines = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        client.send_message(mto=ROOM, mbody=line, mtype="groupchat")
    client["xep_0045"].leave_muc(ROOM, NICK)
    await client.disconnect(wait=1)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.ERROR, stream=sys.stderr)
    asyncio.get_event_loop().run_until_complete(main())
