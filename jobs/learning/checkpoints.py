"""Checkpoints of a training in the run's folder, where a retry on another worker finds them."""

from pathlib import Path

from jobs.storage.files import delete_file, read_bytes, write_bytes


class WarehouseCheckpoint:
    """The checkpoint of one training at an address: `models.data.CheckpointStore` on any storage."""

    def __init__(self, address: str) -> None:
        self.address = address

    def write(self, file: Path) -> None:
        """Replaces it, whole or not at all."""
        write_bytes(self.address, file.read_bytes())

    def read(self, file: Path) -> bool:
        """Copies it into the file; False where there is none."""
        content = read_bytes(self.address)
        if content is not None:
            file.write_bytes(content)
        return content is not None

    def delete(self) -> None:
        """Removes it; nothing happens where there is none."""
        delete_file(self.address)
