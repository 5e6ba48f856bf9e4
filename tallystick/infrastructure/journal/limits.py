"""How large a commit may be, a group of them, and the versions of other applications' events."""

COMMIT_BYTES_MAX = 64 * 2**20


GROUP_BYTES = 4 * 2**20
"""A group that has grown to this takes nobody in any more."""

FOREIGN_VERSION_MAX = 2**62
"""So a token or a contract that gets the name of somebody's stream can go on from its last version."""

KEY_LENGTH_MAX = 256
"""So many characters an idempotency key has at most."""
