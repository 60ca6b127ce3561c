"""The Gossip port over py-libp2p, and an in-memory one with the same contract. Importing this does not import
libp2p.
"""

from sgnus.adapters.gossip.driver import Libp2pGossip
from sgnus.adapters.gossip.fake import FakeGossip, FakeGossipHub

__all__ = ["FakeGossip", "FakeGossipHub", "Libp2pGossip"]
