/**
 * The site without a network: the last list that was shown, for who was signed in, and only while they are.
 *
 * Kept are the offline page with its style, and of the dashboard or the history the rows as the server rendered them: one
 * list at a time. It is forgotten with the first sign that nobody is signed in, or that somebody else may be: any address
 * of the sign-in or sign-out, in whichever tab, and a 401 of the API. Nothing that is posted, and
 * nothing of the API or the admin, is kept or answered from here.
 *
 * A device that loses the network before it hears that its session has ended elsewhere cannot know; hence the day.
 */
(() => {
  const { offlinePage, files } = self.zenithedge;
  const SHELL = "zenithedge:shell";
  const LIST = "zenithedge:list";
  const KEPT = "/offline/kept-list";
  const LISTS = ["/", "/notifications/"];
  const SIGN_IN_OR_OUT = /\/log(in|out)\/$/;
  const KEPT_FOR_MS = 24 * 3_600_000;
  const ROWS = /<ol [^>]*data-list[^>]*>([\s\S]*?)<\/ol>/;
  let forgotten = 0;

  self.addEventListener("install", (event) => {
    self.skipWaiting();
    const requests = [offlinePage, ...files].map((address) => new Request(address, { cache: "reload" }));
    event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(requests)));
  });

  self.addEventListener("activate", (event) => event.waitUntil(begin()));

  self.addEventListener("fetch", (event) => {
    const { request } = event;
    const { origin, pathname } = new URL(request.url);
    if (origin !== location.origin) return;
    if (SIGN_IN_OR_OUT.test(pathname)) return event.respondWith(atTheDoor(event));
    if (request.method !== "GET") return;
    if (files.includes(pathname)) event.respondWith(file(request));
    else if (!pathname.startsWith("/static/")) event.respondWith(fromSite(event));
  });

  /** The page that brought this worker was loaded without it: its list is asked for once more. */
  async function begin() {
    await self.registration.navigationPreload?.enable();
    await self.clients.claim();
    const [page] = await self.clients.matchAll({ type: "window" });
    const pathname = page && new URL(page.url).pathname;
    if (LISTS.includes(pathname)) await notice(await fetch(pathname), forgotten);
  }

  /** Their names stay when their contents change, so the network comes first; the browser's own cache spares most of it. */
  async function file(request) {
    try {
      const response = await fetch(request);
      if (response.ok) await (await caches.open(SHELL)).put(new URL(request.url).pathname, response.clone());
      return response;
    } catch (error) {
      return (await caches.match(request, { ignoreSearch: true })) ?? Promise.reject(error);
    }
  }

  /** Whoever goes in or out: what another tab was sent meanwhile is not kept either. */
  async function atTheDoor(event) {
    await forget();
    try {
      return await answer(event);
    } finally {
      await forget();
    }
  }

  async function fromSite(event) {
    const before = forgotten;
    const response = await answer(event);
    if (response.url) event.waitUntil(notice(response.clone(), before));
    return response;
  }

  /** What the site answers; to a navigation that does not reach it, the offline page. */
  async function answer({ request, preloadResponse }) {
    try {
      return (await preloadResponse) ?? (await fetch(request));
    } catch (error) {
      if (request.mode !== "navigate") throw error;
      return offline();
    }
  }

  /** Keep the list that came, or forget the kept one, as the answer says; `before` is the count when it was asked for. */
  async function notice(response, before) {
    const { pathname, search } = new URL(response.url);
    if (response.status === 401 || SIGN_IN_OR_OUT.test(pathname)) return forget();
    const isPage = response.ok && response.headers.get("Content-Type")?.startsWith("text/html");
    if (!isPage || search || !LISTS.includes(pathname)) return;
    const text = await response.text();
    if (before === forgotten) await keep(text);
  }

  async function keep(text) {
    const [list, rows] = text.match(ROWS) ?? [];
    if (!rows?.trim()) return forget();
    const kept = {
      rows,
      html: text.match(/<html[^>]*>/)[0],
      shownAt: attribute(list, "shown-at"),
      keptAtMs: Date.now(),
    };
    const place = await caches.open(LIST);
    await place.put(KEPT, new Response(JSON.stringify(kept)));
  }

  function forget() {
    forgotten += 1;
    return caches.delete(LIST);
  }

  async function offline() {
    const page = await caches.match(offlinePage, { cacheName: SHELL });
    if (!page) return Response.error();
    const text = await page.text();
    const headers = { "Content-Type": "text/html; charset=utf-8" };
    for (const name of ["Content-Security-Policy", "Referrer-Policy"]) headers[name] = page.headers.get(name) ?? "";
    return new Response(withList(text, await kept()), { headers });
  }

  async function kept() {
    const response = await caches.match(KEPT, { cacheName: LIST });
    const list = await response?.json();
    if (list && Date.now() - list.keptAtMs < KEPT_FOR_MS) return list;
    if (list) await forget();
    return null;
  }

  /** The rows come escaped from the server; so does the time, which stands in an attribute there. */
  function withList(page, list) {
    if (!list) return page;
    return page
      .replace(/<html[^>]*>/, () => list.html)
      .replace("data-kept hidden", "data-kept")
      .replace("<!-- shown at -->", () => list.shownAt)
      .replace("<!-- rows -->", () => list.rows);
  }

  function attribute(tag, name) {
    return tag.match(new RegExp(`data-${name}="([^"]*)"`))?.[1] ?? "";
  }
})();
