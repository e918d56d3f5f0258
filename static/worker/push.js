/**
 * Web push: shows what comes, opens it, marks it read, and keeps the subscription alive.
 *
 * A push always shows something: a browser takes the permission away from a site that is woken without.
 */
(() => {
  const { push } = self.zenithedge;

  self.addEventListener("push", (event) => event.waitUntil(show(contentOf(event.data))));

  self.addEventListener("notificationclick", (event) => {
    const { url, read } = event.notification.data ?? {};
    event.notification.close();
    event.waitUntil(event.action === "read" ? markRead(read) : open(url));
  });

  self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

  function contentOf(data) {
    try {
      return data.json();
    } catch {
      return {}; // from an older server, or nothing at all
    }
  }

  /** A second one of the same tag takes the place of the first: an insight that was scored anew. */
  function show({ title, body, tag, icon, url, priority, at, read }) {
    return self.registration.showNotification(title ?? "ZenithEdge", {
      body: body ?? push.somethingNew,
      icon,
      badge: push.badge,
      tag: tag ?? "news",
      renotify: priority !== "low",
      requireInteraction: priority === "high",
      timestamp: at ?? Date.now(),
      data: { url: url ?? "/", read },
      actions: read ? [{ action: "read", title: push.markRead }] : [],
    });
  }

  async function open(address) {
    const { href, origin, pathname } = new URL(address ?? "/", location.origin);
    if (origin !== location.origin) return;
    const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const there = tabs.find((tab) => new URL(tab.url).pathname === pathname);
    await (there ? there.focus() : self.clients.openWindow(href));
  }

  /** Without a cookie: the token is good for this one notification, whoever is signed in by now. */
  async function markRead({ url, token }) {
    const response = await post(url, { token });
    if (!response.ok) throw new Error(`Marking read was answered with ${response.status}`);
  }

  /** The old endpoint says whose device it is. Without it the preferences page subscribes anew when it is opened. */
  async function renew({ oldSubscription, newSubscription }) {
    const options = { userVisibleOnly: true, applicationServerKey: push.key };
    const fresh = newSubscription ?? (await self.registration.pushManager.subscribe(options));
    if (!oldSubscription) return;
    await post(push.renew, { old_endpoint: oldSubscription.endpoint, ...fresh.toJSON() });
  }

  function post(address, body) {
    const headers = { "Content-Type": "application/json" };
    return fetch(address, { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" });
  }
})();
