# Lays a software passport of the Virtual Smart Card project (vicc, Debian
# vsmartcard-vpicc) into pcscd's virtual reader:
#
#   jython vicc.py ePass|nPA FOLDER PORT [sfi]
#
# The card is theirs: its file system, BAC or PACE, secure messaging. This file
# gives it the surroundings that it looks for. It is Python 2 code whose Debian
# package lies where no Python's path leads, so Jython runs it, with PyCrypto's
# ciphers from Java's and, for nPA, the module eac from OpenPACE's library
# (Debian libeac3).
#
# FOLDER is a passport as `limen chip issue` writes it. Its files replace those
# that vicc makes up, whose EF.DG2 lacks the outer tag 75 and whose EF.SOD is
# empty and has the identifier of DG13. With sfi they have the short identifiers
# of Doc 9303-10, 3.11; vicc's own have none. nPA is an identity card: it gets
# the passport's application beside its own, the passport's EF.CardAccess and,
# with it, its variant of PACE, and the CAN 222222.

import ctypes
import os
import sys
import types

from com.kenai.jffi import MemoryIO
from jarray import array, zeros
from javax.crypto import Cipher as JavaCipher
from javax.crypto.spec import IvParameterSpec, SecretKeySpec

PACKAGE = "/usr/lib/python3/site-packages/virtualsmartcard"
AID = "\xA0\x00\x00\x02\x47\x10\x01"
FILES = [("EF_COM", 0x011E), ("EF_SOD", 0x011D)] + [("DG%d" % n, 0x0100 + n) for n in range(1, 17)]
POINTER = ctypes.c_size_t  # Jython converts no address to a void pointer


def module(name, **members):
    m = types.ModuleType(name)
    m.__dict__.update(members)
    sys.modules[name] = m
    return m


def signed(text):
    return array([(ord(c) + 128) % 256 - 128 for c in text], "b")


def unsigned(octets):
    return "".join([chr(b & 0xFF) for b in octets])


# PyCrypto's block ciphers.

class BlockCipher(object):
    def __init__(self, algorithm, key, mode, iv):
        self.cipher = JavaCipher.getInstance("%s/%s/NoPadding" % (algorithm, mode))
        self.key = SecretKeySpec(signed(key), algorithm)
        self.parameters = [IvParameterSpec(signed(iv))] if mode == "CBC" else []

    def encrypt(self, data):
        return self.run(JavaCipher.ENCRYPT_MODE, data)

    def decrypt(self, data):
        return self.run(JavaCipher.DECRYPT_MODE, data)

    def run(self, direction, data):
        self.cipher.init(direction, self.key, *self.parameters)
        return unsigned(self.cipher.doFinal(signed(data)))


def ciphers(name, algorithm, block, key=lambda k: k):
    return module("Crypto.Cipher." + name, MODE_ECB="ECB", MODE_CBC="CBC", block_size=block,
                  new=lambda k, mode, iv=None: BlockCipher(algorithm, key(k), mode, iv))


module("Crypto",
       Cipher=module("Crypto.Cipher", ARC4=None, AES=ciphers("AES", "AES", 16), DES=ciphers("DES", "DES", 8),
                     DES3=ciphers("DES3", "DESede", 8, lambda k: (k + k)[:24])),
       Hash=module("Crypto.Hash", HMAC=None, SHA=None))


# What vicc's generator asks a person for.

class Picture(object):
    size = (1, 1)


module("readline", set_completer_delims=lambda s: None, parse_and_bind=lambda s: None)
module("PIL", Image=module("PIL.Image", open=lambda path: Picture()))


# OpenPACE's Python modules: strings go in and come out where its C functions
# have buffers.

memory = MemoryIO.getInstance()


class Library(object):
    def __init__(self):
        self.lib = ctypes.CDLL("libeac.so.3")

    def call(self, name, result, *arguments):
        f = getattr(self.lib, name)
        f.restype, f.argtypes = result, [kind for kind, _ in arguments]
        return f(*[value for _, value in arguments])

    def buffer(self, text):
        b = self.call("BUF_MEM_create", POINTER, (ctypes.c_size_t, len(text)))
        memory.putByteArray(memory.getAddress(b + 8), signed(text), 0, len(text))
        return POINTER, b

    def content(self, b):
        if not b:
            return None
        octets = zeros(int(memory.getLong(b)), "b")
        memory.getByteArray(memory.getAddress(b + 8), octets, 0, len(octets))
        return unsigned(octets)

    # The shapes of the functions used: a context, strings, and a string or a number back.
    def string_of(self, name):
        return lambda context, *texts: self.content(self.call(name, POINTER, (POINTER, context), *[self.argument(t) for t in texts]))

    def number_of(self, name):
        return lambda context, *texts: self.call(name, ctypes.c_int, (POINTER, context), *[self.argument(t) for t in texts])

    def argument(self, value):
        if isinstance(value, str):
            return self.buffer(value)
        return (ctypes.c_int, value) if value < 16 else (POINTER, value)

    def raw(self, text):
        address = memory.allocateMemory(len(text), False)
        memory.putByteArray(address, signed(text), 0, len(text))
        return (POINTER, address), (ctypes.c_size_t, len(text))

    def init(self, what, text, context):
        return self.call("EAC_CTX_init_ef_" + what, ctypes.c_int, *(list(self.raw(text)) + [(POINTER, context)]))

    def new_secret(self, text, kind):
        return self.call("PACE_SEC_new", POINTER, *(list(self.raw(text)) + [(ctypes.c_int, kind)]))

    def new_context(self):
        return self.call("EAC_CTX_new", POINTER)


def openpace(cardaccess):
    library = Library()
    library.call("EAC_init", None, (ctypes.c_int, 0))  # Jython wants an argument

    # The card takes its variant from EF.CardSecurity, where OpenPACE would find
    # vicc's own besides; the key for chip authentication there is not used.
    def init_ef_cardsecurity(ignored, context):
        return library.init("cardaccess", cardaccess, context)

    eac = module("eac", PACE_MRZ=1, PACE_CAN=2, PACE_PIN=3, PACE_PUK=4, EAC_ID_PACE=0, EAC_ID_CA=1,
                 EAC_init=lambda: None, EAC_CTX_init_ef_cardsecurity=init_ef_cardsecurity,
                 TA_STEP3_generate_ephemeral_key=lambda context: "unused", CA_STEP2_get_eph_pubkey=lambda context: "unused",
                 EAC_CTX_print_private=lambda *ignored: "", print_ossl_err=lambda: None)
    for name in ("PACE_STEP1_enc_nonce", "PACE_STEP3A_generate_mapping_data", "PACE_STEP3B_generate_ephemeral_key",
                 "PACE_STEP3D_compute_authentication_token", "EAC_encrypt", "EAC_decrypt", "EAC_authenticate"):
        setattr(eac, name, library.string_of(name))
    for name in ("PACE_STEP3A_map_generator", "PACE_STEP3B_compute_shared_secret", "PACE_STEP3C_derive_keys",
                 "PACE_STEP3D_verify_authentication_token", "CA_disable_passive_authentication",
                 "EAC_CTX_set_encryption_ctx", "EAC_increment_ssc"):
        setattr(eac, name, library.number_of(name))

    class Context(object):
        def __init__(self):
            self.ctx = library.new_context()

    class Secret(object):
        def __init__(self, text, kind):
            self.sec = library.new_secret(text, kind)

    module("chat", CHAT=None, CVC=None, PACE_SEC=Secret, EAC_CTX=Context)


def read(folder, name):
    f = open(os.path.join(folder, name), "rb")
    try:
        return f.read()
    finally:
        f.close()


def fill(mf, folder, sfi):
    """Lay the folder's files into the card's eMRTD application."""
    from virtualsmartcard.SmartcardFilesystem import DF, TransparentStructureEF
    application = [f for f in mf.content if getattr(f, "dfname", None) == AID]
    if application:
        application = application[0]
        application.content[:] = []
    else:
        application = DF(parent=mf, fid=4, dfname=AID, bertlv_data=[])
        mf.append(application)
    for name, fid in FILES:
        if os.path.exists(os.path.join(folder, name + ".bin")):
            arguments = {"shortfid": fid & 0x1F} if sfi else {}
            application.append(TransparentStructureEF(parent=application, fid=fid, filedescriptor=0,
                                                      data=read(folder, name + ".bin"), **arguments))


def as_card(mrz):
    """OpenPACE finds a key's parts in the MRZ of a card alone."""
    number, birth, rest = mrz[44:54], mrz[57:64], mrz[64:72]
    return ("I<UTO" + number).ljust(30, "<") + (birth + rest + "UTO").ljust(30, "<") + "<" * 30


def main(kind, folder, port, sfi):
    sys.path.insert(0, PACKAGE)
    if kind == "nPA":
        openpace(read(folder, "EF_CardAccess.bin"))
    import virtualsmartcard.CardGenerator as generator
    mrz = read(folder, "mrz.txt").replace("\n", "")
    answers = [mrz, os.path.join(folder, "DG1.bin")]
    generator.raw_input = lambda prompt: answers.pop(0)
    get = generator.CardGenerator.getCard

    def get_filled(self):
        mf, sam = get(self)
        fill(mf, folder, sfi)
        if kind == "nPA":
            mf.select("fid", 0x011C).data = read(folder, "EF_CardAccess.bin")
            sam.mrz = as_card(mrz)
        return mf, sam

    generator.CardGenerator.getCard = get_filled
    sys.argv = ["vicc", "--type", kind, "--port", port] + ["-v"] * int(os.environ.get("VERBOSE", "0"))
    execfile("/usr/bin/vicc", {"__name__": "__main__"})


main(sys.argv[1], sys.argv[2], sys.argv[3], "sfi" in sys.argv[4:])
