"""The canonical spelling of what sources spell in many ways. Pure; what cannot be mapped is None."""

import re

from signals.models import MarketSession, Regime, Side, Timeframe

# Strategies that ship or that traders here commonly use; spelled by a source in any case, stored in this one.
KNOWN_STRATEGIES = ("ZenithEdge", "SMC", "TrendFollower", "MeanReversion")

_STRATEGY_BY_FOLDED = {name.casefold(): name for name in KNOWN_STRATEGIES}

_TIMEFRAME_BY_MINUTES = {int(timeframe.duration.total_seconds() // 60): timeframe for timeframe in Timeframe}

_MINUTES_BY_UNIT = {
    **dict.fromkeys(("", "m", "min", "mins", "minute", "minutes"), 1),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "hourly"), 60),
    **dict.fromkeys(("d", "day", "days", "daily"), 24 * 60),
    **dict.fromkeys(("w", "wk", "week", "weeks", "weekly"), 7 * 24 * 60),
}

_SIDES = {"buy": Side.BUY, "long": Side.BUY, "sell": Side.SELL, "short": Side.SELL}

_REGIMES = {
    **dict.fromkeys(("trend", "trending", "trends", "uptrend", "downtrend", "trendup", "trenddown"), Regime.TREND),
    **dict.fromkeys(("bulltrend", "beartrend", "trendfollowing", "strongtrend", "momentum"), Regime.TREND),
    **dict.fromkeys(("breakout", "breakouts", "breakingout", "breakdown"), Regime.BREAKOUT),
    **dict.fromkeys(("meanreversion", "meanreverting", "meanrevert", "reversion", "mr"), Regime.MEAN_REVERSION),
    **dict.fromkeys(("squeeze", "squeezing", "volatilitysqueeze", "compression", "contraction"), Regime.SQUEEZE),
    **dict.fromkeys(("range", "ranging", "ranged", "rangebound", "sideways", "choppy", "chop"), Regime.RANGE),
    **dict.fromkeys(("consolidation", "consolidating", "flat"), Regime.RANGE),
    **dict.fromkeys(("volatile", "volatility", "highvolatility", "highvol", "expansion"), Regime.VOLATILE),
    **dict.fromkeys(("neutral", "normal", "mixed"), Regime.NEUTRAL),
}

_SESSIONS = {
    **dict.fromkeys(("asia", "asian", "asiapacific", "apac", "tokyo", "sydney"), MarketSession.ASIA),
    **dict.fromkeys(("london", "ldn", "lon", "europe", "european", "eu", "uk"), MarketSession.LONDON),
    **dict.fromkeys(("newyork", "ny", "nyc", "nyse", "us", "usa", "america", "american"), MarketSession.NEW_YORK),
}


def canonical_symbol(text: str) -> str:
    """`FX:EURUSD`, `EUR/USD`, `eurusd` → `EURUSD`."""
    return re.sub(r"[/\s_-]", "", text.rsplit(":", 1)[-1]).upper()


def canonical_strategy(text: str) -> str:
    """White space folded; a known strategy in its own casing, any other as it came."""
    folded = " ".join(text.split())
    return _STRATEGY_BY_FOLDED.get(folded.casefold().replace(" ", ""), folded)


def canonical_timeframe(text: str) -> Timeframe | None:
    """`15`, `15m`, `M15` → `15m`; `60`, `1H` → `1h`; `D`, `1D`, `1440` → `1d`; another length of bar → None."""
    text = re.sub(r"\s", "", text)
    if text in {"M", "1M"}:
        return None  # TradingView's month; its minutes are a bare number
    forms = re.fullmatch(r"([0-9]{0,5})([A-Za-z]*)", text) or re.fullmatch(r"([MHDWmhdw])([0-9]{1,5})", text)
    if not text or forms is None:
        return None
    count, unit = forms.groups() if not forms[1].isalpha() else (forms[2], forms[1])
    minutes = int(count or 1) * _MINUTES_BY_UNIT.get(unit.lower(), 0)
    return _TIMEFRAME_BY_MINUTES.get(minutes)


def canonical_side(text: str) -> Side | None:
    return _SIDES.get(text.strip().lower())


def canonical_regime(text: str) -> Regime | None:
    return _REGIMES.get(_folded(text))


def canonical_session(text: str) -> MarketSession | None:
    """`NY`, `New York session`, `newyork` → `New York`."""
    return _SESSIONS.get(_folded(text).removesuffix("session"))


def _folded(text: str) -> str:
    """Lower case, letters and digits only: how different sources' spellings of one word meet."""
    return re.sub(r"[\W_]", "", text).casefold()
