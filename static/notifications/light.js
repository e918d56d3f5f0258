const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  "signed-out": "Signed out",
};

/** The connection light: what the socket is doing, in a word and a colour; signed out asks for more than a word. */
export function followSocket(socket, root = document) {
  const light = root.querySelector("[data-light]");
  const show = () => {
    light.dataset.light = socket.state;
    light.querySelector("[data-light-text]").textContent = WORDS[socket.state];
    root.querySelector("[data-signed-out]").hidden = socket.state !== "signed-out";
  };
  socket.addEventListener("state", show);
  show();
}
