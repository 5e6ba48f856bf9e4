"""Exports: tables of the journal as files of other programs, each there whole or not at all."""
