"""The canonical spelling of what sources spell in many ways. Pure."""

import re

# Strategies that ship or that traders here commonly use; spelled by a source in any case, stored in this one.
KNOWN_STRATEGIES = ("ZenithEdge", "SMC", "TrendFollower", "MeanReversion")

_STRATEGY_BY_FOLDED = {name.casefold(): name for name in KNOWN_STRATEGIES}


def canonical_symbol(text: str) -> str:
    """`FX:EURUSD`, `EUR/USD`, `eurusd` → `EURUSD`."""
    return re.sub(r"[/\s_-]", "", text.rsplit(":", 1)[-1]).upper()


def canonical_strategy(text: str) -> str:
    """White space folded; a known strategy in its own casing, any other as it came."""
    folded = " ".join(text.split())
    return _STRATEGY_BY_FOLDED.get(folded.casefold().replace(" ", ""), folded)
