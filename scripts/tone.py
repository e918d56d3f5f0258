"""Make the sound of a new insight anew: `python -m scripts.tone`. Two soft notes, then silence: a burst is one sound.

While it plays, starting it again does nothing; so the silence is what keeps a burst from ringing.
"""

from __future__ import annotations

import io
import math
import wave
from pathlib import Path

SOUND = Path(__file__).resolve().parent.parent / "static" / "notifications" / "insight.wav"
RATE_HZ = 8_000
NOTES_HZ = (659, 880)
NOTE_S = 0.16
SILENCE_S = 1.7
LOUDNESS = 0.25


def main() -> None:
    SOUND.write_bytes(tone())


def tone() -> bytes:
    samples = bytearray()
    for hertz in NOTES_HZ:
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
