"""Text at which libespeak-ng (1.52.0) ends its process: Burmese letters without a space."""

from __future__ import annotations

VOICE = "my"

DEADLY = (
    "\u1099\u1038\u104c\u108e\u101d\u1099\u1014\u1004\u1038\u1039\u1092\u108d\u1079\u1045\u1056"
    "\u1025\u1085\u103e\u102d\u1066\u1018\u1032\u1094\u100f\u1016\u1020\u1028\u1043\u1028\u1036"
    "\u1027\u1026\u1061\u1035\u103b\u107a\u1009\u1017\u1088\u1044\u107c\u1015\u1053\u1087\u1036"
    "\u107a\u1061\u103f\u109f\u103e"
)
"""Fifty letters: ``*** buffer overflow detected ***``."""

HARMLESS = "ကောင်းသောနေ့ ဖြစ်ပါစေ"
"""As people write it: Have a good day."""
