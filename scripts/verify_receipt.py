#!/usr/bin/env python3
"""Checks a receipt of an erasure, from docs/receipt.md and the package `cryptography` alone.

    scripts/verify_receipt.py RECEIPT [--owner KEY]

Exit code 0 when it holds, 15 with the reason when it does not.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DEPTH = 40
ROLES = {"owner": 1, "reader": 2, "depositor": 3, "janitor": 4, "auditor": 5, "retired": 6}
ERASE = ("owner", "janitor")
WRITE = ("owner", "reader", "depositor", "janitor", "retired")
KINDS = {"password": 1, "recovery code": 2, "key file": 3}
CLASSES = {1: "E1", 2: "E2", 3: "E3"}


class Refused(Exception):
    """Why a receipt does not hold."""


def require(holds, reason):
    if not holds:
        raise Refused(reason)


# The form of RFC 8785, as far as receipts use it.

ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def canonical(value):
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        require(0 <= value < 1 << 53, "a number is out of range")
        return str(value)
    if isinstance(value, str):
        quoted = (ESCAPES.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value)
        return '"' + "".join(quoted) + '"'
    if isinstance(value, list):
        return "[" + ",".join(canonical(one) for one in value) + "]"
    if isinstance(value, dict):
        require(all(key.isascii() for key in value), "a key is not ASCII")
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in sorted(value)) + "}"
    raise Refused("a number is not whole")


# The shape: exactly these fields, each of its kind.


def is_text(value):
    return isinstance(value, str)


def is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_flag(value):
    return isinstance(value, bool)


def is_base64(value):
    try:
        return is_text(value) and base64.b64encode(base64.b64decode(value, validate=True)).decode() == value
    except ValueError:
        return False


def word(*words):
    return lambda value: is_text(value) and value in words


def matches(pattern):
    return lambda value: is_text(value) and re.fullmatch(pattern, value, re.ASCII) is not None


def octets(count):
    return matches(f"[0-9a-f]{{{2 * count}}}")


def many(kind, least, most=None):
    return lambda value: (
        isinstance(value, list) and least <= len(value) and (most is None or len(value) <= most) and all(map(kind, value))
    )


def fields(table, others=None):
    def holds(value):
        if not isinstance(value, dict) or not table.keys() <= value.keys():
            return False
        strangers = [value[key] for key in value if key not in table]
        return all(kind(value[key]) for key, kind in table.items()) and all(others and others(one) for one in strangers)

    return holds


is_time = matches(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z"
)
is_class = word("E1", "E2", "E3")
is_document = fields({"version": is_number, "hash": octets(32)})
SEGMENT = {
    "leaf": is_number,
    "superseded": is_flag,
    "segment": octets(16),
    "manifest": octets(32),
    "facts": octets(32),
    "commitment": octets(32),
    "class": is_class,
    "fingerprints": many(octets(8), 0, 16),
}
CREDENTIAL = {
    "id": octets(16),
    "role": word(*ROLES),
    "kind": word(*KINDS),
    "verify_key": octets(32),
    "envelope_key": octets(32),
    "certificate": octets(64),
}
RECEIPT = {
    "schema": is_text,
    "vault": octets(16),
    "sequence": is_number,
    "id": octets(16),
    "reason": word("request", "policy", "superseded"),
    "rules": many(is_number, 0),
    "requested_at": is_time,
    "verified_at": is_time,
    "tool": fields({"name": is_text, "version": is_text}),
    "environment": fields(
        {"anchor": word("embedded", "file"), "file_system": is_text, "journal": is_text, "secure_delete": is_flag}
    ),
    "class": is_class,
    "conversations": is_number,
    "bytes": is_number,
    "segments": many(fields(SEGMENT), 1),
    "fingerprint_key": octets(24),
    "storage_time": word("signer's word"),
    "before": is_base64,
    "after": is_base64,
    "multiproof": is_base64,
    "checkpoint": is_text,
    "owner": octets(32),
    "credentials": many(fields(CREDENTIAL), 1, 4),
    "signer": octets(16),
    "policy": is_document,
    "holds": is_document,
    "checks": many(fields({"name": is_text, "result": is_text, "says": is_text, "bytes": is_number}, is_number), 3, 16),
    "not_covered": many(is_text, 1, 64),
    "copies": many(fields({"id": octets(16), "kind": word("export", "named"), "made": is_time, "protection": is_text}), 0),
    "signature": octets(64),
}


# Fields.


def text(value, name):
    require(isinstance(value.get(name), str), f"the field `{name}` is missing or malformed")
    return value[name]


def hexadecimal(value, name, length):
    word = text(value, name)
    require(re.fullmatch(f"[0-9a-f]{{{2 * length}}}", word), f"the field `{name}` is missing or malformed")
    return bytes.fromhex(word)


def base64_bytes(value, name):
    try:
        return base64.b64decode(text(value, name), validate=True)
    except ValueError:
        raise Refused(f"the field `{name}` is missing or malformed") from None


def objects(value, name):
    found = value.get(name)
    well = isinstance(found, list) and all(isinstance(one, dict) for one in found)
    require(well, f"the field `{name}` is missing or malformed")
    return found


# Hashes and signatures.


def labelled(label, *parts):
    return hashlib.sha256(label.encode() + b"\0" + b"".join(parts)).digest()


def signed(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


class Reader:
    """Takes fields off a byte string."""

    def __init__(self, data, name):
        self.data, self.at, self.name = data, 0, name

    def take(self, count):
        require(self.at + count <= len(self.data), f"the field `{self.name}` is cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def end(self):
        require(self.at == len(self.data), f"the field `{self.name}` has more bytes than it should")


class Head:
    """A state head (docs/format.md §6)."""

    def __init__(self, data, name):
        self.signed, self.signature = data[:-64], data[-64:]
        reader = Reader(self.signed, name)
        require(reader.number(1) == 1, f"the field `{name}` is of another version")
        self.root = reader.take(reader.number(4))
        reader.take(reader.number(4))
        self.read_root(name)
        edge = reader.take(reader.number(4))
        size = self.log_size = int.from_bytes(edge[:8], "big")
        whole = len(edge) >= 8 and size < 1 << 63 and len(edge) == 8 + 32 * bin(size).count("1")
        require(whole, f"the edge of the log in `{name}` is malformed")
        require(self.root_log_size <= size, f"the log in `{name}` is shorter than its root says")
        self.log_root = log_root(edge)
        reader.take(32)
        self.signer = reader.take(16)
        reader.end()

    def read_root(self, name):
        """What lives, which is signed by itself."""
        require(len(self.root) > 64, f"the root in `{name}` is cut short")
        self.root_signed, self.root_signature = self.root[:-64], self.root[-64:]
        reader = Reader(self.root_signed, name)
        self.vault = reader.take(16)
        self.generation = reader.number(8)
        require(reader.number(1) in (0, 1), f"the kind of anchor in `{name}` is malformed")
        self.anchor_hash = reader.take(32)
        reader.take(32 + 32 + 8)
        self.live_root = reader.take(32)
        self.root_log_size = reader.number(8)
        reader.take(8 + 32 + 32 + 8)
        self.classes = [(reader.number(8), reader.number(1)) for _ in range(reader.number(2))]
        require(len(self.classes) <= 4096, f"the classes in `{name}` are malformed")
        firsts = [first for first, _ in self.classes]
        orderly = firsts and firsts[0] == 0 and all(a < b for a, b in zip(firsts, firsts[1:]))
        require(orderly and all(kind in CLASSES for _, kind in self.classes), f"the classes in `{name}` are malformed")
        self.root_signer = reader.take(16)
        reader.end()

    def class_at(self, leaf):
        return CLASSES[[kind for first, kind in self.classes if first <= leaf][-1]]


def log_root(edge):
    """The root of an RFC 6962 log from its complete subtrees, the largest first."""
    subtrees = [edge[at : at + 32] for at in range(8, len(edge), 32)]
    if not subtrees:
        return hashlib.sha256(b"").digest()
    root = subtrees.pop()
    while subtrees:
        root = hashlib.sha256(b"\1" + subtrees.pop() + root).digest()
    return root


def is_checkpoint(note, head, key):
    """Whether a signed note of C2SP is that of the head's log, signed by this key alone."""
    name = "convault/" + head.vault.hex()
    body = f"{name}\n{head.log_size}\n{base64.b64encode(head.log_root).decode()}\n"
    line = re.fullmatch(re.escape(f"{body}\n\u2014 {name} ") + r"([A-Za-z0-9+/]+={0,2})\n", note, re.ASCII)
    if not line or not is_base64(line[1]):
        return False
    data = base64.b64decode(line[1])
    identity = hashlib.sha256(name.encode() + b"\n\1" + key).digest()[:4]
    return len(data) == 68 and data[:4] == identity and signed(key, data[4:], body.encode())


def node(left, right):
    return labelled("convault/1/tree/node", left, right)


def multiproof(data):
    """The leaves of a multiproof (number, before, after), and the roots it leads to."""
    reader = Reader(data, "multiproof")
    count = reader.number(4)
    require(0 < count <= len(data) // 72, "the proof has no leaves, or not as many as it says")
    leaves = [(reader.number(8), reader.take(32), reader.take(32)) for _ in range(count)]
    rest = data[reader.at :]
    require(len(rest) % 32 == 0, "the proof is cut short")
    siblings = iter(rest[at : at + 32] for at in range(0, len(rest), 32))
    numbers = [leaf for leaf, _, _ in leaves]
    require(all(a < b for a, b in zip(numbers, numbers[1:])) and numbers[-1] < 1 << DEPTH, "the proof's leaves are not in order")
    level = leaves
    for _ in range(DEPTH):
        above, at = [], 0
        while at < len(level):
            place, old, new = level[at]
            if at + 1 < len(level) and level[at + 1][0] == place ^ 1 and place % 2 == 0:
                _, old_right, new_right = level[at + 1]
                above.append((place >> 1, node(old, old_right), node(new, new_right)))
                at += 2
                continue
            sibling = next(siblings, None)
            require(sibling is not None, "the proof lacks a sibling")
            pair = (lambda own: node(own, sibling)) if place % 2 == 0 else (lambda own: node(sibling, own))
            above.append((place >> 1, pair(old), pair(new)))
            at += 1
        level = above
    require(next(siblings, None) is None, "the proof has a sibling too many")
    return leaves, level[0][1], level[0][2]


# The receipt.


def verify(data, owner_key=None):
    """Checks a receipt; what it shows, as a dictionary."""
    try:
        document = data.decode()
        document = document[:-1] if document.endswith("\n") else document
        receipt = json.loads(document)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Refused("not a receipt in its one form") from None
    try:
        require(isinstance(receipt, dict) and canonical(receipt) == document, "not a receipt in its one form")
    except RecursionError:
        raise Refused("not a receipt in its one form") from None
    require(receipt.get("schema") == "convault.receipt/1", "not of the schema `convault.receipt/1`")
    for name, kind in RECEIPT.items():
        require(name in receipt and kind(receipt[name]), f"the field `{name}` is missing or malformed")
    require(len(receipt) == len(RECEIPT), "it has a field that receipts of this version do not have")
    signature = hexadecimal(receipt, "signature", 64)
    body = canonical({key: value for key, value in receipt.items() if key != "signature"})
    vault = hexadecimal(receipt, "vault", 16)
    owner = hexadecimal(receipt, "owner", 32)
    require(owner_key is None or owner.hex() == owner_key.lower(), "the owner key is another")

    credentials = {}
    for one in objects(receipt, "credentials"):
        role, kind = text(one, "role"), text(one, "kind")
        identity = hexadecimal(one, "id", 16)
        key = hexadecimal(one, "verify_key", 32)
        certified = identity + bytes([ROLES[role], KINDS[kind]]) + key + hexadecimal(one, "envelope_key", 32)
        message = b"convault/1/certificate\0" + vault + certified
        require(signed(owner, hexadecimal(one, "certificate", 64), message), "a credential is not certified by the owner key")
        require(identity not in credentials, "the field `credentials` is missing or malformed")
        credentials[identity] = (role, key)

    signer = credentials.get(hexadecimal(receipt, "signer", 16))
    message = b"convault/receipt/1\n" + body.encode()
    require(signer and signed(signer[1], signature, message), "the signature is not that of the signer it names")
    require(signer[0] in ERASE, "the signer's role may not erase")

    heads = {}
    for name, roots, rests in (("before", (*ERASE, "retired"), WRITE), ("after", ERASE, ERASE)):
        data = base64_bytes(receipt, name)
        require(len(data) > 64, f"the field `{name}` is cut short")
        head = Head(data, name)
        unsigned = f"the state {name} the erasure is not signed by a credential of this vault"
        role, key = credentials.get(head.root_signer, (None, None))
        require(role in roots and signed(key, head.root_signature, b"convault/1/state-root\0" + head.root_signed), unsigned)
        role, key = credentials.get(head.signer, (None, None))
        require(role in rests and signed(key, head.signature, b"convault/1/state-head\0" + head.signed), unsigned)
        require(head.vault == vault, "the signed states are of another vault")
        heads[name] = head
    before, after = heads["before"], heads["after"]
    replaced = after.generation == before.generation + 1 and after.anchor_hash != before.anchor_hash
    require(replaced, "the anchor was not replaced between the two states")

    leaves, old_root, new_root = multiproof(base64_bytes(receipt, "multiproof"))
    require((old_root, new_root) == (before.live_root, after.live_root), "the proof does not lead from one live root to the other")
    segments = objects(receipt, "segments")
    require(len(segments) == len(leaves), "the proof changes other segments than those the receipt names")
    overall = text(receipt, "class")
    for one, (leaf, old, new) in zip(segments, leaves):
        fields = [hexadecimal(one, name, size) for name, size in (("segment", 16), ("manifest", 32), ("facts", 32), ("commitment", 32))]
        hash_before = labelled("convault/1/tree/live", *fields)
        if one["superseded"]:
            hash_before = labelled("convault/1/tree/superseded", hash_before)
        require(one.get("leaf") == leaf and old == hash_before, "the proof changes other segments than those the receipt names")
        require(new == labelled("convault/1/tree/tombstone", hash_before), "a segment of the receipt did not become a tombstone")
        own = text(one, "class")
        require(own == after.class_at(leaf) and overall <= own, "the class is better than the weakest of its segments")

    rules = receipt["rules"]
    numbered = all(0 < a for a in rules) and all(a < b for a, b in zip(rules, rules[1:]))
    require(numbered and bool(rules) == (receipt["reason"] == "policy"), "the field `rules` is missing or malformed")
    results = [(text(one, "name"), text(one, "result")) for one in objects(receipt, "checks")]
    for name in ("logical", "cryptographic", "physical"):
        require(results.count((name, "PASS")) == 1, f"the check `{name}` is not among those that passed")
    require(all(result in ("PASS", "NOT RUN") for _, result in results), "a check is not among those that passed")
    names = [name for name, _ in results]
    require(len(set(names)) == len(names), "the field `checks` is missing or malformed")
    require(is_checkpoint(text(receipt, "checkpoint"), after, signer[1]), "the checkpoint is not the signer's of the log in the state after the erasure")
    return receipt


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("receipt", type=pathlib.Path)
    parser.add_argument("--owner", metavar="KEY", help="the owner key it must be of, in hexadecimal")
    arguments = parser.parse_args()
    try:
        receipt = verify(arguments.receipt.read_bytes(), arguments.owner)
    except Refused as reason:
        print(f"refused: {reason}", file=sys.stderr)
        return 15
    print(f"receipt {receipt['sequence']} of vault {receipt['vault']}: {len(receipt['segments'])} segments destroyed, class {receipt['class']}")
    print(f"owner key {receipt['owner']}")
    for line in receipt["not_covered"]:
        print(f"not covered: {line}")
    for copy in receipt["copies"]:
        print(f"known copy: {copy['id']} {copy['kind']} of {copy['made']}, protection: {copy['protection']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
