"""A warehouse on an encrypted folder (fscrypt on ext4, docs/privacy.md): what lies on the disk says nothing."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import main
from tests.support.disk import mount
from tests.support.fakes import DS, fake_night, publish_words
from tests.support.warehouse import use

USERS = ("planted-user-4711", "planted-user-4712")
# linux/fscrypt.h: codes of its ioctls, and policy 2 with AES-256-XTS for contents, AES-256-CTS for names
ADD_KEY, SET_POLICY = 0xC0506617, 0x800C6613
VERSION, CONTENTS, NAMES, PAD_16 = 2, 1, 4, 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """(a file system, the file that is its disk)."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(96 << 20)
    try:
        made = subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", str(image)], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no mkfs.ext4: {error}")
    if made.returncode:
        pytest.skip(f"no ext4 with encryption: {made.stderr}")
    mount("-o", "loop", str(image), str(place))
    yield place, image
    subprocess.run(["umount", "-l", str(place)], check=True)


def encrypt(folder: Path) -> None:
    """Gives an empty folder a key of its own; skips the test where the kernel has no fscrypt."""
    key = os.urandom(64)
    request = bytearray(struct.pack("<II32sIII28s", 2, 0, b"", len(key), 0, 0, b"") + key)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, ADD_KEY, request)
        policy = struct.pack("<BBBB4s16s", VERSION, CONTENTS, NAMES, PAD_16, b"", bytes(request[8:24]))
        fcntl.ioctl(handle, SET_POLICY, policy)
    except OSError as error:
        pytest.skip(f"no fscrypt: {error}")
    finally:
        os.close(handle)


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_disk_has_no_id_of_a_user(
    encrypted: bool, disk: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, image = disk
    folder = place / "encore"
    folder.mkdir()
    if encrypted:
        encrypt(folder)
    fake_night(use(folder, monkeypatch), 1, ds=DS, users=USERS)
    assert main(publish_words("run", ds=DS)) == 0
    (folder / "planted-user-4711.log").write_text("planted-user-4711")
    assert main(["user", USERS[0], "--domain", "movies"]) == 0
    os.sync()
    content = image.read_bytes()
    assert [word in content for word in (b"planted-user-4711", b"catalog.db", b"PAR1")] == [not encrypted] * 3
