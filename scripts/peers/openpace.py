#!/usr/bin/python3
"""Reads a passport's chip with OpenPACE's library (Debian libeac3).

    openpace.py READER MRZ|CAN SECRET FOLDER

It opens the chip in the PC/SC reader by PACE and writes EF_SOD.bin, DG1.bin
and DG2.bin to FOLDER. OpenPACE does what there is to compute: nonce, mapping,
keys, tokens, encryption and checksums. The commands around that are written
here, by Doc 9303-10 and -11, so that only the computing is another's. SECRET
is the CAN, or the second line of a passport's MRZ.
"""

import ctypes
import pathlib
import sys

from smartcard.System import readers

AID = bytes.fromhex("A0000002471001")
FILES = (("EF_SOD", 0x1D), ("DG1", 0x01), ("DG2", 0x02))
BLOCK = 223  # plain bytes, which fill a short answer


class Buffer(ctypes.Structure):
    _fields_ = [("length", ctypes.c_size_t), ("data", ctypes.c_void_p), ("max", ctypes.c_size_t), ("flags", ctypes.c_ulong)]


lib = ctypes.CDLL("libeac.so.3")
lib.BUF_MEM_create_init.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
for name in ("EAC_CTX_new", "PACE_SEC_new"):
    getattr(lib, name).restype = ctypes.c_void_p
for name in ("BUF_MEM_create_init", "PACE_STEP3A_generate_mapping_data", "PACE_STEP3B_generate_ephemeral_key",
             "PACE_STEP3D_compute_authentication_token", "EAC_encrypt", "EAC_decrypt", "EAC_authenticate"):
    getattr(lib, name).restype = ctypes.POINTER(Buffer)


def call(name, context, *values):
    """Calls one of OpenPACE's functions; bytes go in and out as its buffers."""
    buffers = [lib.BUF_MEM_create_init(v, len(v)) if isinstance(v, bytes) else v for v in values]
    out = getattr(lib, name)(ctypes.c_void_p(context), *buffers)
    if isinstance(out, int):
        if out != 1:
            raise SystemExit("%s failed" % name)
        return None
    if not out:
        raise SystemExit("%s failed" % name)
    return ctypes.string_at(out.contents.data, out.contents.length)


def tlv(tag, value):
    n = len(value)
    length = bytes([n]) if n < 0x80 else bytes([0x81, n]) if n < 0x100 else bytes([0x82, n >> 8, n & 0xFF])
    return bytes([tag]) + length + value


def parse(data):
    """The objects of one level, tags of one byte."""
    out = []
    while data:
        tag, n, at = data[0], data[1], 2
        if n & 0x80:
            at += n & 0x7F
            n = int.from_bytes(data[2:at], "big")
        out.append((tag, data[at:at + n]))
        data = data[at + n:]
    return out


def pad(data, block):
    data += b"\x80"
    return data + bytes(-len(data) % block)


class Chip:
    def __init__(self, name):
        self.card = [r for r in readers() if str(r) == name][0].createConnection()
        self.card.connect()
        self.context = None

    def send(self, header, data=b"", le=None):
        """Short, or with extended length fields where the data asks for them."""
        size = 1 if len(data) < 256 and (le or 0) <= 256 else 2
        command = bytes.fromhex(header) + (b"\x00" if size == 2 else b"")
        command += len(data).to_bytes(size, "big") + data if data else b""
        command += (le % 256 ** size).to_bytes(size, "big") if le is not None else b""
        answer, sw1, sw2 = self.card.transmit(list(command))
        return bytes(answer), sw1 << 8 | sw2

    def must(self, *command):
        answer, sw = self.send(*command)
        if sw != 0x9000:
            raise SystemExit("the chip answered %04X to %s" % (sw, command[0]))
        return answer

    def general_authenticate(self, tag, value, wanted, last=False):
        data = tlv(0x7C, tlv(tag, value) if tag else b"")
        answer = self.must(("00" if last else "10") + "860000", data, 256 if len(data) < 256 else 65536)
        return dict(parse(parse(answer)[0][1]))[wanted]

    def pace(self, cardaccess, oid, password, secret):
        """Doc 9303-11, 4.4.3."""
        lib.EAC_init()
        context = self.context = lib.EAC_CTX_new()
        if lib.EAC_CTX_init_ef_cardaccess(cardaccess, ctypes.c_size_t(len(cardaccess)), ctypes.c_void_p(context)) != 1:
            raise SystemExit("OpenPACE does not know this EF.CardAccess")
        sec = ctypes.c_void_p(lib.PACE_SEC_new(secret, ctypes.c_size_t(len(secret)), password))
        self.must("0022C1A4", tlv(0x80, oid) + tlv(0x83, bytes([password])))
        call("PACE_STEP2_dec_nonce", context, sec, self.general_authenticate(None, b"", 0x80))
        mapping = call("PACE_STEP3A_generate_mapping_data", context)
        call("PACE_STEP3A_map_generator", context, self.general_authenticate(0x81, mapping, 0x82))
        ephemeral = call("PACE_STEP3B_generate_ephemeral_key", context)
        theirs = self.general_authenticate(0x83, ephemeral, 0x84)
        call("PACE_STEP3B_compute_shared_secret", context, theirs)
        call("PACE_STEP3C_derive_keys", context)
        token = call("PACE_STEP3D_compute_authentication_token", context, theirs)
        call("PACE_STEP3D_verify_authentication_token", context, self.general_authenticate(0x85, token, 0x86, last=True))
        call("EAC_CTX_set_encryption_ctx", context, 0)
        self.block = 8 if oid[-1] == 1 else 16

    def protected(self, header, data=b"", le=None):
        """Doc 9303-11, 9.8."""
        header = bytes.fromhex(header)
        header = bytes([header[0] | 0x0C]) + header[1:]
        call("EAC_increment_ssc", self.context)
        body = b""
        if data:
            body += tlv(0x87, b"\x01" + call("EAC_encrypt", self.context, pad(data, self.block)))
        if le is not None:
            body += tlv(0x97, bytes([le & 0xFF]))
        signed = pad(pad(header, self.block) + body, self.block) if body else pad(header, self.block)
        body += tlv(0x8E, call("EAC_authenticate", self.context, signed))
        answer = self.must(header.hex(), body, 256)
        call("EAC_increment_ssc", self.context)
        objects = parse(answer)
        mac = objects.pop()
        if mac[0] != 0x8E or mac[1] != call("EAC_authenticate", self.context, pad(b"".join(tlv(t, v) for t, v in objects), self.block)):
            raise SystemExit("the chip's checksum is wrong")
        objects = dict(objects)
        if objects[0x99] != b"\x90\x00":
            raise SystemExit("the chip answered %s under secure messaging" % objects[0x99].hex())
        if 0x87 not in objects:
            return b""
        plain = call("EAC_decrypt", self.context, objects[0x87][1:])
        return plain[:plain.rindex(b"\x80")]

    def file(self, sfi):
        start = self.protected("00B0%02X00" % (0x80 | sfi), le=4)
        n = start[1]
        total = 2 + n if n < 0x80 else 2 + (n & 0x7F) + int.from_bytes(start[2:2 + (n & 0x7F)], "big")
        data = start
        while len(data) < total:
            data += self.protected("00B0%04X" % len(data), le=min(BLOCK, total - len(data)))
        return data


def main(reader, kind, secret, folder):
    if kind == "MRZ":  # OpenPACE finds a key's parts in the MRZ of a card alone
        number, birth, rest = secret[:10], secret[13:20], secret[20:28]
        secret = ("I<UTO" + number).ljust(30, "<") + (birth + rest + "UTO").ljust(30, "<") + "<" * 30
    chip = Chip(reader)
    cardaccess = chip.must("00B09C00", b"", 256)
    oid = parse(parse(parse(cardaccess)[0][1])[0][1])[0][1]
    chip.pace(cardaccess, oid, {"MRZ": 1, "CAN": 2}[kind], secret.encode())
    chip.protected("00A4040C", AID)
    for name, sfi in FILES:
        pathlib.Path(folder, name + ".bin").write_bytes(chip.file(sfi))


main(*sys.argv[1:])
