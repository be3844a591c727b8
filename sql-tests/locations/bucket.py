#!/usr/bin/env python3
"""Fills and lists the buckets of emulators, with the standard library alone.

    bucket.py STORE ENDPOINT BUCKET NAME SECRET make
    bucket.py STORE ENDPOINT BUCKET NAME SECRET put DIRECTORY
    bucket.py STORE ENDPOINT BUCKET NAME SECRET list [PREFIX]
    bucket.py s3 ENDPOINT BUCKET NAME SECRET uploads

STORE is `s3` (signed by version 4 of Amazon's signatures; NAME and SECRET are the keys), `azure`
(signed by the shared key; NAME is the account, ENDPOINT ends in it, SECRET is in base64) or `open`
(S3's requests without a signature; NAME and SECRET are ignored). `put` takes all files below the
directory, `list` prints the names of the objects, `uploads` those of which parts were sent alone.
"""

import base64
import datetime
import hashlib
import hmac
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

EMPTY = hashlib.sha256(b"").hexdigest()

# A proxy that the environment names does not lead to servers of this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def mac(key: bytes, text: str) -> bytes:
    """Returns the message authentication code of a text."""
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Bucket:
    """A bucket, or a container, of one emulator."""

    def __init__(self, store: str, endpoint: str, bucket: str, name: str, secret: str) -> None:
        self.store, self.endpoint, self.bucket = store, endpoint.rstrip("/"), bucket
        self.name, self.secret = name, secret

    def send(self, method: str, path: str, query: dict[str, str], body: bytes = b"") -> bytes:
        """Sends a signed request and returns the body of the answer."""
        url = self.endpoint + urllib.parse.quote(f"/{self.bucket}{path}")
        words = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote)
        headers = self.azure_headers if self.store == "azure" else self.aws_headers
        request = urllib.request.Request(
            url + ("?" + words if words else ""),
            data=body if method == "PUT" else None,
            headers=headers(method, urllib.parse.urlsplit(url), query, body),
            method=method,
        )
        with OPENER.open(request, timeout=120) as answer:
            content: bytes = answer.read()
        return content

    def aws_headers(self, method: str, url: urllib.parse.SplitResult, query: dict[str, str],
                    body: bytes) -> dict[str, str]:
        """Returns the headers that sign a request to S3, if it is to be signed."""
        moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY
        headers = {"host": url.netloc, "x-amz-content-sha256": digest, "x-amz-date": moment}
        if self.store == "open":
            return {"Content-Type": "text/csv"}
        words = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote)
        signed = ";".join(headers)
        canonical = "\n".join([method, url.path, words,
                               *(f"{name}:{value}" for name, value in headers.items()), "",
                               signed, digest])
        scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", moment, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = mac(key, part)
        return headers | {
            "Content-Type": "text/csv",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.name}/{scope}, "
                             f"SignedHeaders={signed}, Signature={mac(key, text).hex()}",
        }

    def azure_headers(self, method: str, url: urllib.parse.SplitResult, query: dict[str, str],
                      body: bytes) -> dict[str, str]:
        """Returns the headers that sign a request to Azure's blob service."""
        now = datetime.datetime.now(datetime.timezone.utc)
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-date": now.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-ms-version": "2021-12-02",
        }
        kind = "text/csv" if method == "PUT" else ""
        length = str(len(body)) if body else ""
        resource = f"/{self.name}{url.path}"
        resource += "".join(f"\n{name}:{value}" for name, value in sorted(query.items()))
        text = "\n".join([method, "", "", length, "", kind, "", "", "", "", "", "",
                          *(f"{name}:{value}" for name, value in headers.items()), resource])
        signature = base64.b64encode(mac(base64.b64decode(self.secret), text)).decode()
        headers["Authorization"] = f"SharedKey {self.name}:{signature}"
        return headers | ({"Content-Type": kind} if kind else {})

    def make(self) -> None:
        """Makes the bucket."""
        self.send("PUT", "", {"restype": "container"} if self.store == "azure" else {})

    def put(self, directory: pathlib.Path) -> None:
        """Puts all files below a directory into the bucket."""
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                self.send("PUT", f"/{path.relative_to(directory)}", {}, path.read_bytes())

    def uploads(self) -> list[str]:
        """Returns the names of the objects of which parts were sent, and not all."""
        tree = xml.etree.ElementTree.fromstring(self.send("GET", "", {"uploads": ""}))
        return [element.text or "" for element in tree.iter() if element.tag.endswith("}Key")]

    def names(self, prefix: str) -> list[str]:
        """Returns the names of the objects whose name begins so."""
        if self.store == "azure":
            query, tag = {"restype": "container", "comp": "list"}, "Name"
        else:
            query, tag = {"list-type": "2"}, "Key"
        tree = xml.etree.ElementTree.fromstring(self.send("GET", "", query | {"prefix": prefix}))
        found = [element.text or "" for element in tree.iter() if element.tag.endswith(tag)]
        return [name for name in found if name.startswith(prefix) and name != self.bucket]


def main() -> None:
    """Does what the command line asks for."""
    *place, verb = sys.argv[1:7]
    rest = sys.argv[7:]
    bucket = Bucket(*place)
    try:
        if verb == "make":
            bucket.make()
        elif verb == "put":
            bucket.put(pathlib.Path(rest[0]))
        elif verb == "uploads":
            print("\n".join(bucket.uploads()))
        else:
            print("\n".join(bucket.names(rest[0] if rest else "")))
    except urllib.error.HTTPError as error:
        sys.exit(f"{error}: {error.read().decode(errors='replace')}")


if __name__ == "__main__":
    main()
