const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  "signed-out": "Signed out",
};

/** The connection light: says in a word, and by its colour, what the socket is doing; signed out asks for more than a word. */
export class Light {
  #element;
  #banner;

  constructor({ socket, root = document }) {
    this.#element = root.querySelector("[data-light]");
    this.#banner = root.querySelector("[data-signed-out]");
    socket.addEventListener("state", ({ detail }) => this.#show(detail.state));
    this.#show(socket.state);
  }

  #show(state) {
    this.#element.dataset.light = state;
    this.#element.querySelector("[data-light-text]").textContent = WORDS[state];
    this.#banner.hidden = state !== "signed-out";
  }
}
