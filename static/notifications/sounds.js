let playing;

/** Hear what is chosen in this field, from its beginning. */
export function playChosen(field) {
  playing?.pause();
  if (field.value === "none") return;
  playing = new Audio(`${field.closest("[data-sounds]").dataset.sounds}${field.value}.wav`);
  return playing.play();
}
