"""Coupons: what one is, what may happen to it, how one is issued, how its code is written."""
