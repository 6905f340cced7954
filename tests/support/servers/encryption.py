"""A bucket's default encryption, as its owner sets it once (docs/privacy.md): asked for and read over plain HTTP, since
moto checks no signature."""

import urllib.request

KEY = "arn:aws:kms:us-east-1:123456789012:key/encore"
RULE = f"""<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>
<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{KEY}</KMSMasterKeyID>
</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"""
HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, Signature=x",
    "Content-Type": "application/xml",  # urllib's own would make a form of it, which moto reads before
}


def encrypt_bucket(endpoint: str, bucket: str) -> None:
    """Has the store encrypt every new object with the key of a key service."""
    _ask(f"{endpoint}/{bucket}?encryption", "PUT", RULE.encode())


def encryption_of(endpoint: str, path: str) -> tuple[str | None, str | None]:
    """(algorithm, key) that an object is encrypted with."""
    headers = _ask(f"{endpoint}/{path}", "HEAD")
    name = "x-amz-server-side-encryption"
    return headers.get(name), headers.get(f"{name}-aws-kms-key-id")


def _ask(address: str, method: str, content: bytes | None = None) -> dict[str, str]:
    request = urllib.request.Request(address, content, HEADERS, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}
