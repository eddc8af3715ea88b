#!/usr/bin/env python3
"""Prints src/rooms.toml for Meson, one line per room, users after what they use:
name|room,room|library,library"""

import pathlib
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter

rooms = tomllib.loads(pathlib.Path(__file__).with_name("rooms.toml").read_text())
for name, room in rooms.items():
    if unknown := set(room["uses"]) - set(rooms):
        sys.exit(f"rooms.toml: {name} uses unknown rooms: {', '.join(sorted(unknown))}")
try:
    order = TopologicalSorter({name: room["uses"] for name, room in rooms.items()}).static_order()
    for name in order:
        print(name, ",".join(rooms[name]["uses"]), ",".join(rooms[name]["libraries"]), sep="|")
except CycleError as cycle:
    sys.exit(f"rooms.toml: rooms use each other in a cycle: {' -> '.join(cycle.args[1])}")
