"""The wire: every frame that passes a port of the switch, and what its TCP streams carried."""

import collections
import os
import signal
import socket
import struct

from .checks import check, wait_until

ETH_P_ALL = 3
TLS_HANDSHAKE, TLS_DATA = 22, 23


class Segment(collections.namedtuple("Segment", "source source_port destination destination_port "
                                                "sequence flags payload")):
    @property
    def stream(self):
        return self[:4]


class Capture:
    """Records from start to stop(). `interface` is a port of the switch, e.g. "v-web"."""

    def __init__(self, network, interface, path):
        self.path = path
        self._frames = None

        def record():
            return _record(interface, path)

        self._call = network.on_switch(record)
        wait_until(lambda: os.path.exists(path), 5, f"capturing on {interface}")

    def stop(self):
        """Ends the recording, with everything the kernel had queued; returns the frames."""
        if self._frames is None:
            os.kill(self._call.pid, signal.SIGTERM)
            drops = self._call.result(10)
            check(drops == 0, f"the capture lost {drops} frames")
            with open(self.path, "rb") as file:
                data = file.read()
            self._frames, at = [], 0
            while at < len(data):
                (length,) = struct.unpack_from(">I", data, at)
                self._frames.append(data[at + 4:at + 4 + length])
                at += 4 + length
        return self._frames

    def segments(self):
        return [segment for frame in self.stop() if (segment := parse(frame))]

    def streams(self):
        """(source, port, destination, port) → the bytes it carried, in order."""
        pieces = collections.defaultdict(dict)
        for segment in self.segments():
            if segment.payload:
                known = pieces[segment.stream].get(segment.sequence, b"")
                pieces[segment.stream][segment.sequence] = max(known, segment.payload, key=len)
        return {stream: _join(parts) for stream, parts in pieces.items()}

    def saw(self, marker):
        return any(marker in frame for frame in self.stop()) or any(
            marker in data for data in self.streams().values())


def tls_records(data):
    """(type, version, length) of each TLS record; raises CheckFailed where there is none."""
    records, at = [], 0
    while at + 5 <= len(data):
        kind, version, length = struct.unpack_from(">BHH", data, at)
        check(20 <= kind <= 23 and version in (0x0301, 0x0303) and length <= 16640,
              f"not a TLS record: {data[at:at + 32].hex(' ')}")
        records.append((kind, version, length))
        at += 5 + length
    return records


def hello_kind(data):
    """1 for a ClientHello, 2 for a ServerHello, else None."""
    return data[5] if len(data) > 5 and data[0] == TLS_HANDSHAKE and data[5] in (1, 2) else None


def _record(interface, path):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as sniffer:
        sniffer.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        sniffer.bind((interface, 0))
        stopping = []
        signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
        sniffer.settimeout(0.05)
        with open(path + ".part", "wb") as file:
            os.rename(path + ".part", path)
            while True:
                try:
                    frame = sniffer.recv(1 << 17)
                    file.write(struct.pack(">I", len(frame)) + frame)
                except TimeoutError:
                    if stopping:
                        break
        packets, drops = struct.unpack("II", sniffer.getsockopt(263, 6, 8))  # PACKET_STATISTICS
        return drops


def parse(frame):
    """The TCP segment of an Ethernet frame, or None."""
    if len(frame) < 34:
        return None
    kind = struct.unpack_from(">H", frame, 12)[0]
    if kind == 0x0800 and frame[23] == 6:
        header = (frame[14] & 15) * 4
        total = struct.unpack_from(">H", frame, 16)[0]
        source, destination = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
        at, end = 14 + header, (14 + total) if total else len(frame)
    elif kind == 0x86DD and len(frame) >= 54 and frame[20] == 6:
        length = struct.unpack_from(">H", frame, 18)[0]
        source = socket.inet_ntop(socket.AF_INET6, frame[22:38])
        destination = socket.inet_ntop(socket.AF_INET6, frame[38:54])
        at, end = 54, (54 + length) if length else len(frame)
    else:
        return None
    if len(frame) < at + 20:
        return None
    source_port, destination_port, sequence = struct.unpack_from(">HHI", frame, at)
    flags, offset = frame[at + 13], (frame[at + 12] >> 4) * 4
    return Segment(source, source_port, destination, destination_port, sequence, flags,
                   frame[at + offset:end])


def _join(parts):
    """Segments by sequence number → the stream (short streams: no wrap-around)."""
    data, expected = bytearray(), None
    for sequence in sorted(parts):
        payload = parts[sequence]
        if expected is not None and sequence < expected:
            payload = payload[expected - sequence:]
        data += payload
        expected = max(expected or 0, sequence + len(parts[sequence]))
    return bytes(data)
