"""Make the sounds of new insights anew: `python -m scripts.tone`. Soft notes, then silence: a burst is one sound.

While one plays, none is started; so the silence is what keeps a burst from ringing.
"""

from __future__ import annotations

import io
import math
import wave
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "static" / "sounds"
RATE_HZ = 8_000
NOTES_HZ = {"tick": (740,), "chime": (659, 880), "rise": (587, 740, 988)}
NOTE_S = 0.16
SILENCE_S = 1.7
LOUDNESS = 0.25


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in NOTES_HZ:
        (FOLDER / f"{name}.wav").write_bytes(tone(name))


def tone(name: str) -> bytes:
    samples = bytearray()
    for hertz in NOTES_HZ[name]:
        for index in range(int(RATE_HZ * NOTE_S)):
            fading = LOUDNESS * (1 - index / (RATE_HZ * NOTE_S)) ** 2  # ends without a click
            samples.append(128 + round(127 * fading * math.sin(2 * math.pi * hertz * index / RATE_HZ)))
    samples += bytes([128]) * int(RATE_HZ * SILENCE_S)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 1, RATE_HZ, 0, "NONE", "not compressed"))
        sound.writeframes(samples)
    return file.getvalue()


if __name__ == "__main__":
    main()
