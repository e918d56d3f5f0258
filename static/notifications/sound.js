const TONES_HZ = { high: [659, 880], medium: [659], low: [440] }; // one after the other
const TONE_S = 0.16;
const LOUDNESS = 0.12;
const PAUSE_S = 2; // a burst is one sound

let context = null;
let silentUntilS = 0;

/** A short tone by priority. Browsers allow none before somebody has clicked or typed on the page: then it is left out. */
export function play(priority) {
  if (!(navigator.userActivation?.hasBeenActive ?? true)) return;
  context ??= new AudioContext();
  const now = context.currentTime;
  if (now < silentUntilS) return;
  silentUntilS = now + PAUSE_S;
  for (const [index, hz] of TONES_HZ[priority].entries()) playTone(hz, now + index * TONE_S);
}

function playTone(frequency, startS) {
  const tone = new OscillatorNode(context, { frequency });
  const volume = new GainNode(context);
  volume.gain.setValueAtTime(LOUDNESS, startS);
  volume.gain.exponentialRampToValueAtTime(0.001, startS + TONE_S); // ends without a click
  tone.connect(volume).connect(context.destination);
  tone.start(startS);
  tone.stop(startS + TONE_S);
}
