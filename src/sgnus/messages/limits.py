"""Named bounds, unit in the name. Every queue, list, loop over peers' data, message and duration has one here."""

from collections.abc import Mapping
from typing import Final

# Below 32768, where Linux begins to hand out ports for outgoing connections (ip_local_port_range).
LISTEN_PORT_MIN: Final = 20_000
LISTEN_PORT_MAX: Final = 32_000
LISTEN_TRIES_MAX: Final = 16
GOSSIP_BYTES_MAX: Final = 64 * 1024
GOSSIP_FRAME_BYTES_MAX: Final = 1024 * 1024
GOSSIP_TOPIC_CHARS_MAX: Final = 256
GOSSIP_TOPICS_PER_NEIGHBOUR_MAX: Final = 10_000
GOSSIP_SEEN_MAX: Final = 65_536
GOSSIP_SEEN_MS: Final = 120_000
GOSSIP_QUEUE_ITEMS_MAX: Final = 8_192
GOSSIP_QUEUE_BYTES_MAX: Final = 64 * 1024 * 1024
GOSSIP_OUTBOUND_ITEMS_MAX: Final = 4_096
GOSSIP_OUTBOUND_BYTES_MAX: Final = 16 * 1024 * 1024
GOSSIP_MESSAGES_PER_S: Final = 200
GOSSIP_MESSAGES_BURST: Final = 2_000
GOSSIP_BYTES_PER_S: Final = 768 * 1024
GOSSIP_BYTES_BURST: Final = 4 * 1024 * 1024
# What one author may say on all topics: an announcement a second, some requests for a seat, five messages with entries.
GOSSIP_AUTHORED_PER_S: Final = 20
GOSSIP_AUTHORED_BURST: Final = 600
GOSSIP_AUTHORED_BUDGETS_MAX: Final = 8_192
# Nobody honest passes on what its author did not sign: that counts as so many messages.
GOSSIP_FORGERY_MESSAGES: Final = 20
GOSSIP_BUDGETS_MAX: Final = 1_024
# What a node sends on for others, to one neighbour: below what that neighbour allows, so that no flood makes it one too.
# Its own entries come on top (64 KiB five times a second).
GOSSIP_RELAYED_PER_S: Final = 150
GOSSIP_RELAYED_BURST: Final = 1_500
GOSSIP_RELAYED_BYTES_PER_S: Final = 384 * 1024
GOSSIP_RELAYED_BYTES_BURST: Final = 1024 * 1024
GOSSIP_CONNECTIONS_MAX: Final = 64
GOSSIP_HANDSHAKES_MAX: Final = 128
GOSSIP_STREAMS_PER_CONNECTION_MAX: Final = 32
GOSSIP_UNREAD_BYTES_MAX: Final = 2 * 1024 * 1024
GOSSIP_NEGOTIATION_BYTES_MAX: Final = 4 * 1024
GOSSIP_TARGETS_MAX: Final = 256
GOSSIP_ADDRESSES_PER_TARGET_MAX: Final = 8
GOSSIP_DIAL_MS_MAX: Final = 10_000
GOSSIP_REDIAL_MS_MIN: Final = 250
GOSSIP_REDIAL_MS_MAX: Final = 30_000
GOSSIP_PING_MS: Final = 5_000
GOSSIP_PING_MS_MAX: Final = 10_000
GOSSIP_HELLO_MS_MAX: Final = 15_000
GOSSIP_CROSSED_DIAL_MS: Final = 3_000
DISCOVERY_LOOKUPS_MAX: Final = 32
DISCOVERY_ADDRESSES_MAX: Final = 4
DISCOVERY_MS_MAX: Final = 3_000
GRPC_MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
DATA_BYTES_MAX: Final = 1024 * 1024
DATA_BYTES_TYPICAL: Final = 512 * 1024
ENTRY_BYTES_MAX: Final = 64 * 1024
MODULE_BYTES_MAX: Final = 1024 * 1024

ROOM_MEMBERS_MAX: Final = 11
PROVED_MEMBERS_MIN: Final = 2
KNOWN_ROOMS_MIN: Final = 3
STRANGER_SEATS: Final = 4
SEATS_HELD_MS: Final = 10_000
RECORDS_MAX: Final = 65_536
RECORDED_JOBS_MAX: Final = 4_096
SUB_BLOCKS_PER_MICROJOB: Final = 10
CHUNKS_PER_SUB_BLOCK_MAX: Final = 64
SUB_BLOCK_INPUT_BYTES_TYPICAL: Final = 2 * 1024 * 1024
ABANDONMENTS_MAX: Final = 3
RUN_HERE_AGAIN_MS_MIN: Final = 500
RUN_HERE_TRIES_MAX: Final = 10

ENTRY_LIFE_MS_MAX: Final = 14 * 24 * 3600 * 1000
CLOCK_SKEW_MS_MAX: Final = 10 * 60 * 1000
FACTS_KEPT_MS: Final = 24 * 3600 * 1000
"""What a node keeps of a job beside its entries outlives them by so much: a clock that runs ahead when a machine starts, by an
hour of summer or by its time zone, makes nobody forget its vote, and takes no results with it.
"""

HEARTBEAT_MS: Final = 1_000
SUSPICION_MS: Final = 3_000
SILENCE_MS_MAX: Final = 5_000
REOPEN_MS_MAX: Final = 500
STAGGER_MS: Final = 500
ANNOUNCE_MS_MIN: Final = 1_000
ANNOUNCE_MS_MAX: Final = 10_000
# All rooms of a job together announce themselves about once in this time, as long as they are no more than so many.
LOBBY_TURN_MS: Final = 1_000
LOBBY_TURNS_MAX: Final = 300
SEATING_MS: Final = 50
COALESCE_MS: Final = 20
DEADLINE_MS_DEFAULT: Final = 60_000
CHUNK_MS_MIN: Final = 2_000
CHUNK_MS_MAX: Final = 60_000
CHUNK_DEADLINE_FACTOR: Final = 3

# Leaving on purpose (docs/protocol/room.md): what is nearly done is finished, and the whole of it is bounded.
FINISH_MS_MAX: Final = 1_000
DEPARTURE_MS_MAX: Final = 10_000
LAST_WRITES_MS_MAX: Final = 2_000

INBOX_ITEMS_MAX: Final = 16_384
# What a probe of the node waits for its disk and its sandbox (docs/operating.md)
PROBE_ANSWER_MS_MAX: Final = 2_000

LEASE_MS_MIN: Final = 2_000
LEASE_MEDIAN_FACTOR: Final = 3
LEASE_DEADLINES_MAX: Final = 2
LEASE_SAMPLES_MIN: Final = 3
LEASE_SAMPLES_MAX: Final = 33
PREFETCH_MEDIAN_MS_MAX: Final = 250
STRIKES_MAX: Final = 2
RETURN_BACKOFF_MS: Final = 500
LOST_LEASE_MS: Final = 1_000
TAKEOVER_GRACE_MS: Final = 300
VOTE_MS_MAX: Final = 1_500
EPOCHS_AHEAD_MAX: Final = 64
# Elections before the one of a claim, as in api/sgnus.yaml
SUCCESSIONS_MAX: Final = 6
EPOCH_MAX: Final = 2**31
SEQUENCE_MAX: Final = 2**62
DURATION_MS_MAX: Final = 2**32 - 1
ADDRESSES_MAX: Final = 4_096
SEATED_MAX: Final = 256
STRUCK_MAX: Final = 256
ELECTION_MS_MAX: Final = 20_000
HOPELESS_MS: Final = 7_000
JOIN_ANSWER_MS_MAX: Final = 3_000
JOIN_ANSWER_MS_LATE: Final = 500
ROOM_STALE_MS: Final = 25_000
DEAD_ROOM_MS: Final = 10_000
YIELDED_MS: Final = 30_000
FOUNDING_STAGGER_MS: Final = 150
FOUNDING_HEAD_START_MS: Final = 600
# Who has so many neighbours may be one of a crowd that it does not see.
CROWD_NEIGHBOURS_MIN: Final = 16
PEERS_PER_FOUNDER: Final = 8
FOUNDING_SPREAD_MS: Final = 20
FOUNDING_SPREAD_MS_MAX: Final = 2_000
LOBBY_LISTEN_MS: Final = 300
RANK_MAX: Final = 20
DELIVERY_RETRY_MS_MIN: Final = 300
DELIVERY_RETRY_MS_MAX: Final = 5_000
IDLE_REQUEST_MS: Final = 2_000
ROOMS_PER_JOB_MAX: Final = 4_096
INSTANCES_PER_MICROJOB_MAX: Final = 32
WORKERS_MAX: Final = 64
SEATS_PENDING_MAX: Final = 64
VOTE_REQUESTS_PENDING_MAX: Final = 16
VOTED_INSTANCES_MAX: Final = 4_096
APP_CLAIMS_MAX: Final = 16
LINGER_MS: Final = 3_000
SEEK_MS: Final = 250
REFUSED_MS: Final = 2_000
REFUSED_DOUBLINGS_MAX: Final = 3
LOTS_MAX: Final = 10
ROOM_ENTRY_LIFE_MS: Final = 120_000
IDLE_SEAT_MS: Final = 1_000
REMOVALS_MAX: Final = 3
RESTARTS_MAX: Final = 3
WAITS_MAX: Final = 64
STARVING_MS: Final = 60_000
STRANDED_MS: Final = 1_500
REMIND_MS: Final = 5_000
UNSERVED_MS: Final = 20_000
UNSERVED_MAX: Final = 64
AXES_MAX: Final = 8
STREAM_BYTES_MAX: Final = 2**63 - 1
CHUNK_BYTES_MAX: Final = 64 * 1024 * 1024
SUB_BLOCK_BYTES_MAX: Final = 256 * 1024 * 1024
MICROJOBS_MAX: Final = 1_000_000
EXPLICIT_CHUNKS_MAX: Final = 1_000_000
COVERAGE_TERMS_MAX: Final = 16_000_000
COVERAGE_OPEN_TERMS_MAX: Final = 2_000_000
TILE_ITEMS_1D_TYPICAL: Final = 64 * 1024
TILE_ITEMS_2D_TYPICAL: Final = 256
TILE_ITEMS_3D_TYPICAL: Final = 64
CHANNELS_MAX: Final = 4
# Peer gRPC (docs/protocol/peer.md)
PROTOCOL_VERSION: Final = 1
ADDRESS_BYTES_MAX: Final = 4 * 1024
# A signed request for a seat, with an address in it, and a list of eleven members with both: a claim to host, which has eight
# lists at most, stays below a message between peers
JOIN_BYTES_MAX: Final = 5 * 1024
LIST_BYTES_MAX: Final = 112 * 1024
DIGEST_BYTES: Final = 32
ADDRESS_LIFE_MS_MAX: Final = 24 * 3600 * 1000
ADDRESS_ENDPOINTS_MAX: Final = 8
VERIFIED_MAX: Final = 4_096
PEERS_ADMITTED_MAX: Final = 256
PEER_MESSAGE_BYTES_MAX: Final = DATA_BYTES_MAX
PEER_QUEUE_ITEMS_MAX: Final = 4_096
PEER_QUEUE_BYTES_MAX: Final = 4 * 1024 * 1024
FRAME_ITEMS_MAX: Final = 4_096
FRAME_BYTES_MAX: Final = 2 * 1024 * 1024
DIAL_MS_MIN: Final = 2_000
DIAL_DOUBLINGS_MAX: Final = 2
HELLO_MS_MAX: Final = 10_000
PARKED_MS_MAX: Final = 1_000
REDIAL_MS_MIN: Final = 100
REDIAL_MS_MAX: Final = 10_000
LINGER_MS_MAX: Final = 500
PEER_CALL_MS_MAX: Final = 30_000
CALL_PING_MS: Final = 5_000
CALL_PING_MS_MAX: Final = 10_000
PEER_STREAM_MS_MAX: Final = 300_000
PEER_CALLS_MAX: Final = 1_024
PEER_STREAMS_PER_CONNECTION_MAX: Final = 64
PEER_CALLS_PER_PEER_MAX: Final = 32
READ_BYTES_PER_S: Final = 256 * 1024 * 1024
READ_BURST_BYTES: Final = 512 * 1024 * 1024
# Floods (docs/protocol/peer.md): what one peer may ask for, and what follows when it goes on asking for more.
PEER_CALLS_PER_S: Final[Mapping[str, int]] = {
    "Exchange": 5,
    "Reconcile": 2,
    "ExchangeAddresses": 2,
    "ReadBlob": 10,
    "ReadBranch": 100,
    "SubmitReceipt": 30,
    "GetReceipt": 50,
    "ListReceipts": 5,
}
PEER_CALLS_BURST: Final[Mapping[str, int]] = {
    "Exchange": 50,
    "Reconcile": 64,
    "ExchangeAddresses": 64,
    "ReadBlob": 100,
    "ReadBranch": 1_000,
    "SubmitReceipt": 300,
    "GetReceipt": 500,
    "ListReceipts": 50,
}
REFUSED_CALLS_PER_S: Final = 20
REFUSED_CALLS_BURST: Final = 200
# Who is over a budget of calls waits so long for its refusal, and who is shut out longer; of all calls that may be open at
# once, a few.
REFUSALS_HELD_MS: Final = 1_000
REFUSALS_HELD_SHUT_OUT_MS: Final = 5_000
REFUSALS_HELD_MAX: Final = 256
SUB_BLOCK_CALLS_MAX: Final = 32
SUB_BLOCK_CALLS_COUNTED_MAX: Final = 65_536
# A room hears three messages a sub-block, all but a third of them from one peer; 1,700 tiny sub-blocks a second are the most
# that were ever measured.
STREAM_MESSAGES_PER_S: Final = 8_000
STREAM_MESSAGES_BURST: Final = 16_000
# What others count as: lists, votes and heartbeats come some times a second; who has nothing to do asks every second or two.
UNUSUAL_MESSAGES: Final = 10
LEASE_REQUEST_MESSAGES: Final = 100
MALFORMED_MESSAGES: Final = 100
STREAM_BYTES_PER_S: Final = 8 * 1024 * 1024
STREAM_BYTES_BURST: Final = 32 * 1024 * 1024
GOSSIPED_ENTRIES_PER_S: Final = 50
GOSSIPED_ENTRIES_BURST: Final = 300
# Who has a job under way counts each as so many.
NEAR_ENTRY_WHILE_BUSY: Final = 3
# Those of authors out of touch, which a neighbour brings.
FAR_ENTRIES_PER_S: Final = 25
FAR_ENTRIES_BURST: Final = 50
FAR_ENTRY_WHILE_BUSY: Final = 10
COMPARED_ENTRIES_PER_S: Final = 500
COMPARED_ENTRIES_BURST: Final = 20_000
# Who has a job under way spends so much of its time on what comparisons bring.
COMPARED_WHILE_BUSY: Final = 0.04
COMPARED_REST_S_MAX: Final = 5.0
NEW_JOBS_PER_S: Final = 10
NEW_JOBS_BURST: Final = 50
# Who has a job under way counts a new one as so many, one of a publisher out of touch as more.
NEW_JOB_WHILE_BUSY: Final = 5
FAR_JOB_WHILE_BUSY: Final = 20
NEW_JOBS_WAIT_MS_MAX: Final = 30_000
OVERRUN_SECONDS_MAX: Final = 5
OVERRUN_WINDOW_MS: Final = 20_000
OVERRUN_PEERS_MAX: Final = 1_024
SHUT_OUT_MS_MIN: Final = 60_000
SHUT_OUT_MS_MAX: Final = 600_000
SHUT_OUT_REMEMBERED_MS: Final = 3_600_000

GOSSIP_SETTLED_MS: Final = 5_000

ATTEMPTS_MAX: Final = 64
ATTEMPTS_KEPT_MAX: Final = 128
ATTEMPT_STEPS_MAX: Final = 4
PROPOSALS_MAX: Final = 8
EARLY_WORDS_MAX: Final = 64
EARLY_WORD_BYTES_MAX: Final = 32 * 1024
EARLY_BYTES_MAX: Final = 16 * 1024 * 1024
ROUNDS_PER_MICROJOB_MAX: Final = 8
PROPOSE_MS: Final = 3_000
PROPOSE_STAGGER_MS: Final = 700
SILENT_MS: Final = 3_000
SEVERED_MS: Final = 1_000
REVEAL_MS: Final = 3_000
BEACON_MS: Final = 25_000
"""More than STRANGERS_WAIT_MS: a beacon that waits for another room of the microjob is not gone."""
OPENING_MS: Final = 1_500
RECEIPT_MS: Final = 2_000
REPEAT_MS: Final = 3_000
VERIFICATION_TICK_MS: Final = 500
ROUND_MS_MAX: Final = 600_000
ROOMS_LEFT_MAX: Final = 8
ROUND_STALLED_MS: Final = 30_000
STRANGERS_WAIT_MS: Final = 20_000
STRANGERS_WAIT_MS_ALONE: Final = 14_000
"""Once a host is silent: SILENCE_MS_MAX, PROPOSE_STAGGER_MS for each member that is as well, and a second for half to seal it."""
PATIENCE_MS_MIN: Final = 12_000
PATIENCE_MS_MAX: Final = 30_000
ROUNDS_AT_ONCE_MAX: Final = 256
SPOKEN_KEPT_MAX: Final = 8_192
ENDED_KEPT_MAX: Final = 4_096
OPENINGS_KEPT_MAX: Final = 4_096
RECEIPT_BYTES_MAX: Final = 4 * 1024 * 1024
# The publisher's private share (docs/protocol/verification.md)
RECHECK_PERMILLE_DEFAULT: Final = 10
RECHECK_WAIT_MS: Final = 10_000
RECHECKS_WAITING_MAX: Final = 4_096
# Accusations by others (docs/protocol/verification.md)
ACCUSATIONS_MAX: Final = 16_384
INQUIRIES_WAITING_MAX: Final = 64
INQUIRY_REST_MS_MIN: Final = 10_000
INQUIRY_REST_FACTOR: Final = 9
INQUIRY_READ_MS_MAX: Final = 30_000
INQUIRY_AGAIN_MS: Final = 600_000
FORGER_MS: Final = 24 * 3600 * 1000
REFUSED_MAX: Final = 4_096
EVIDENCE_MAX: Final = 1_024
# Meeting a neighbour again after it failed (docs/protocol/database.md)
MEET_AGAIN_MS_MIN: Final = 300
MEET_AGAIN_MS_MAX: Final = 60_000
# Settlement (docs/protocol/settlement.md)
SETTLE_GRACE_MS: Final = 600_000
AUDITED_ONE_IN: Final = 10
AUDITED_SUB_BLOCKS_ONE_IN: Final = 10
AUDIT_AGAIN_MS_MIN: Final = 1_000
AUDIT_AGAIN_MS_MAX: Final = 60_000
AUDITS_AT_ONCE_MAX: Final = 2
CLAIMS_PER_MICROJOB_MAX: Final = 4
FALSE_CLAIMS_KEPT_MAX: Final = 64
CASES_OPEN_MAX: Final = 1_024
CASES_CLOSED_MAX: Final = 128
SUBMITTED_BYTES_PER_S: Final = 1024 * 1024
SUBMITTED_BURST_BYTES: Final = 32 * 1024 * 1024
SUBMITTED_CHECKS_AT_ONCE_MAX: Final = 2
SETTLED_RECEIPTS_BYTES_MAX: Final = 8 * 1024 * 1024 * 1024
SUBMISSIONS_KEPT_MAX: Final = 4_096
SUBMISSIONS_BYTES_MAX: Final = 64 * 1024 * 1024
SUBMIT_AGAIN_MS_MIN: Final = 500
SUBMIT_AGAIN_MS_MAX: Final = 10_000
SETTLEMENTS_LISTED_MAX: Final = 1_000
RECEIPTS_LISTED_MAX: Final = 32_768
INPUTS_LENT_BYTES_MAX: Final = 64 * 1024 * 1024
RECLAIM_MS_MIN: Final = 2_000
RECLAIM_MS_MAX: Final = 60_000
