"""Writes the settings that Gajim would have after its account wizard: DIRECTORY ADDRESS PASSWORD HOST PORT."""

import json
import os
import sqlite3
import sys

import gi

for name, version in {"Gtk": "3.0", "Gdk": "3.0", "GtkSource": "4"}.items():
    gi.require_version(name, version)
from gajim.common.settings import CREATE_SQL  # noqa: E402

directory, address, password, host, port = sys.argv[1:6]
os.makedirs(directory, exist_ok=True)
database = sqlite3.connect(os.path.join(directory, "settings.sqlite"))
database.executescript(CREATE_SQL)
local, domain = address.split("@")
app = {"use_keyring": False, "check_for_update": False}
database.execute("update settings set settings = ? where name = 'app'", (json.dumps(app),))
account = {
    "name": local,
    "hostname": domain,
    "address": address,
    "account_label": local,
    "password": password,
    "savepass": True,
    "active": True,
    "autoconnect": True,
    "use_custom_host": True,
    "custom_host": host,
    "custom_port": int(port),
    "custom_type": "START TLS",
    "resource": "gajim",
}
database.execute(
    "insert into account_settings values (?, ?)",
    ("account", json.dumps({"account": account, "contact": {}, "group_chat": {}})),
)
database.commit()
