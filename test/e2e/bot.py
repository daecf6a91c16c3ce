"""A slixmpp component against a running server: echoes, answers what its plugins answer, and asks back.

Arguments: port domain secret user@domain/resource. Writes a line of JSON per step; ends when it is told `quit`.
"""

import asyncio
import json
import logging
import sys

from slixmpp.componentxmpp import ComponentXMPP

PORT, DOMAIN, SECRET, PERSON = sys.argv[1:5]


def tell(step: str, **more: object) -> None:
    print(json.dumps({"step": step, **more}), flush=True)


class Bot(ComponentXMPP):
    def __init__(self) -> None:
        super().__init__(DOMAIN, SECRET, "127.0.0.1", int(PORT))
        for plugin in ("xep_0030", "xep_0092", "xep_0199"):
            self.register_plugin(plugin)
        self["xep_0092"].software_name = "Echo"
        self["xep_0030"].add_identity(category="gateway", itype="test", name="A bot")
        self.auto_authorize = True
        self.auto_subscribe = False
        self.done = asyncio.get_event_loop().create_future()
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("message", self.echo)
        self.add_event_handler("presence_subscribe", lambda p: tell("subscribe", who=str(p["from"])))
        self.add_event_handler("presence_subscribed", lambda p: tell("subscribed", who=str(p["from"])))

    async def start(self, _: object) -> None:
        tell("start")
        server = DOMAIN.split(".", 1)[1]
        ping = await self["xep_0199"].ping(PERSON, ifrom=f"echo@{DOMAIN}/bot")
        info = await self["xep_0030"].get_info(jid=server, ifrom=DOMAIN)
        version = await self["xep_0092"].get_version(server, ifrom=DOMAIN)
        items = await self["xep_0030"].get_items(jid=server, ifrom=DOMAIN)
        tell(
            "asked",
            ping=ping < 20,
            features=len(info["disco_info"]["features"]),
            version=version["software_version"]["name"],
            items=[item[0] for item in items["disco_items"]["items"]],
        )
        self.send_presence_subscription(pto=PERSON.split("/")[0], pfrom=f"echo@{DOMAIN}", ptype="subscribe")

    def echo(self, message) -> None:
        if message["type"] not in ("chat", "normal"):
            return
        if message["body"] == "quit":
            self.done.set_result(None)
            return
        self.send_message(
            mto=message["from"], mbody=f"echo {message['body']}", mtype="chat", mfrom=message["to"]
        )


async def main() -> None:
    bot = Bot()
    bot.connect()
    await asyncio.wait_for(bot.done, 60)
    await bot.disconnect(wait=1)
    tell("end")


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.ERROR, stream=sys.stderr)
    asyncio.get_event_loop().run_until_complete(main())
