"""The nameserver the hosts' resolv.conf names: what lies outside of the mesh. It knows
outside.test and counts nothing else: NXDOMAIN."""

import socket
import struct

KNOWN = {b"\x07outside\x04test\x00": socket.inet_aton("192.0.2.7")}


def answer(query):
    if len(query) < 17:
        return None
    identifier, _, questions, _, _, _ = struct.unpack(">6H", query[:12])
    end = query.find(b"\x00", 12) + 1
    if questions != 1 or end == 0 or len(query) < end + 4:
        return None
    name, (kind, _) = query[12:end].lower(), struct.unpack(">2H", query[end:end + 4])
    address = KNOWN.get(name)
    record = b""
    if address and kind == 1:
        record = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + address
    flags = 0x8180 | (0 if address else 3)
    header = struct.pack(">6H", identifier, flags, 1, 1 if record else 0, 0, 0)
    return header + query[12:end + 4] + record


def serve_names():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 53))
        while True:
            query, peer = server.recvfrom(4096)
            reply = answer(query)
            if reply:
                server.sendto(reply, peer)
