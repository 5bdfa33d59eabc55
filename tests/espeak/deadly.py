"""Text at which libespeak-ng (1.52.0) ends its process: Burmese letters without a space."""

from __future__ import annotations

VOICE = "my"

DEADLY = (
    "\u1038\u1037\u101c\u102a\u101a\u100f\u1030\u103e\u1037\u102c\u1002\u102b\u1036\u102f\u101d"
    "\u1039\u1039\u1026\u102e\u1002\u1015\u102e\u100d\u103b\u100b\u101e\u1008\u103a\u1025\u101e"
    "\u101e\u1000\u101a\u1000\u101b\u1039\u103a\u1028\u1030\u1021\u103e\u1014\u1007\u1033\u1031"
    "\u100c\u1002\u1013\u102c\u101f"
)
"""Fifty letters: ``*** buffer overflow detected ***``."""

HARMLESS = "ကောင်းသောနေ့ ဖြစ်ပါစေ"
"""As people write it: Have a good day."""
