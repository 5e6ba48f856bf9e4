"""How large a commit may be, and a group of them."""

COMMIT_BYTES_MAX = 64 * 2**20


GROUP_BYTES = 4 * 2**20
"""A group that has grown to this takes nobody in any more."""
KEY_LENGTH_MAX = 256
"""So many characters an idempotency key has at most."""
