import { apiAt } from "./api.js";
import { gettext } from "./texts.js";

const IPHONE = /\b(iPhone|iPad)\b/;

/** What to say, and whether this device can be turned on or off, by what the browser allows. */
export function standing({ secure, supported, installed, iphone, permission, subscribed }) {
  if (!secure) return { text: gettext("Web push needs an https address. Open this site by its https one."), can: "" };
  if (iphone && !installed) {
    const text = gettext(
      "On an iPhone or iPad, install this site first: Share, then “Add to Home Screen”. Open it from there.",
    );
    return { text, can: "" };
  }
  if (!supported) return { text: gettext("This browser cannot receive web push."), can: "" };
  if (permission === "denied") {
    const text = gettext(
      "This browser refuses notifications of this site. Allow them in the site’s settings, beside the address, and load this page again.",
    );
    return { text, can: "" };
  }
  if (subscribed) return { text: gettext("Web push is on for this device."), can: "off" };
  return { text: gettext("Web push is off for this device."), can: "on" };
}

/** The devices of the preferences page. The browser asks for permission only after a click. */
export async function startDevices(section) {
  const state = section.querySelector("[data-push-state]");
  const buttons = { on: section.querySelector("[data-push-on]"), off: section.querySelector("[data-push-off]") };
  const api = apiAt(section.dataset.subscriptions);
  const key = section.dataset.pushKey;
  const registration = "serviceWorker" in navigator ? await navigator.serviceWorker.register("/sw.js") : null;
  const manager = registration?.pushManager;

  async function refresh(problem) {
    const { text, can } = standing({
      secure: isSecureContext,
      supported: Boolean(manager) && "Notification" in globalThis,
      installed: matchMedia("(display-mode: standalone)").matches,
      iphone: IPHONE.test(navigator.userAgent),
      permission: globalThis.Notification?.permission,
      // The server forgets a browser whose user signs out; the browser keeps its half until it is turned on again.
      subscribed: "thisOne" in section.dataset && (await manager?.getSubscription()),
    });
    state.textContent = problem ?? text;
    for (const [name, button] of Object.entries(buttons)) button.hidden = name !== can;
  }

  async function turnOn() {
    const permission = await Notification.requestPermission();
    if (permission !== "granted") return refresh();
    await navigator.serviceWorker.ready;
    const old = await manager.getSubscription();
    if (old && !madeFor(old, key)) await old.unsubscribe();
    const subscription = await manager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    await api("", subscription.toJSON());
    location.reload(); // the list is the server's
  }

  async function turnOff() {
    const subscription = await manager.getSubscription();
    await subscription?.unsubscribe(); // first: then nothing comes, even if the server is not told
    if (subscription) await api("", { endpoint: subscription.endpoint }, "DELETE").catch(ignoreUnknown);
    location.reload();
  }

  for (const [name, act] of [
    ["on", turnOn],
    ["off", turnOff],
  ]) {
    buttons[name].addEventListener("click", async ({ currentTarget }) => {
      currentTarget.disabled = true;
      await act().catch(({ message }) => refresh(message));
      currentTarget.disabled = false;
    });
  }
  await refresh();
}

function madeFor({ options }, key) {
  const bytes = new Uint8Array(options.applicationServerKey ?? []);
  return (
    btoa(String.fromCharCode(...bytes))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "") === key
  );
}

function ignoreUnknown(error) {
  if (error.status !== 404) throw error;
}
