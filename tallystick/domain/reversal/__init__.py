"""Reversal: taking back, in whole or in part, what a movement did."""
