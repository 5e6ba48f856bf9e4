"""Apps and seats: deposits, payments, trades on the curve, income, taxes and pools."""
