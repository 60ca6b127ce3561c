"""Bounds of the local service, unit in the name."""

from typing import Final

HTTP_BODY_BYTES_MAX: Final = 4 * 1024 * 1024
HTTP_LINE_BYTES_MAX: Final = HTTP_BODY_BYTES_MAX
# One item of a stream with 1 MiB of data takes 5 ms to decode; a body of 4 MiB that is all objects takes a second.
BODY_BYTES_IN_LOOP_MAX: Final = 64 * 1024
HTTP_HEADER_BYTES_MAX: Final = 16 * 1024
CALLS_AT_ONCE_MAX: Final = 256
CONNECTIONS_MAX: Final = 1024
CONNECTIONS_WAITING_MAX: Final = 512
PROBLEM_CHARACTERS_MAX: Final = 400
# A stream's status code waits this long for its first item, so that what is refused at once gets a code of its own.
FIRST_ITEM_MS_MAX: Final = 500
STOP_MS_MAX: Final = 2_000
PROBE_MS_MAX: Final = 500
TOKEN_BYTES: Final = 32
# sun_path holds 108 bytes on Linux, 104 on macOS, the final zero included.
SOCKET_PATH_BYTES_MAX: Final = 100
