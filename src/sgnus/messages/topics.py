"""Names of gossip topics (source documents: `jobprocessing_{BLOCKID}`, `jobprocessing_{BLOCKID}_{MICROJOB}`)."""

from typing import Final

from sgnus.messages.ids import BlockId

DATABASE_TOPIC: Final = "sgnus_database"
ADDRESS_TOPIC: Final = "sgnus_addresses"


def lobby_topic(job: BlockId) -> str:
    """Topic in which the rooms of `job` are found."""
    return f"jobprocessing_{job}"


def room_topic(job: BlockId, microjob: int) -> str:
    """Topic on which a seat in the room of `microjob` (0-based) of `job` is asked for."""
    return f"jobprocessing_{job}_{microjob}"
