import { gettext } from "./texts.js";

/**
 * The HTTP API at this address: a function that asks for a path, or posts a `body` to it, and gives the answer's JSON.
 * What it throws has the `status` with which the server refused, or 0 when it was not reached.
 */
export function apiAt(root) {
  return async (path, body, method) => {
    const response = await fetch(root + path, body && posted(body, method)).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (response?.ok && answer) return answer;
    const message = answer?.error?.message ?? gettext("The server cannot be reached.");
    throw Object.assign(new Error(message), { status: response?.status ?? 0 });
  };
}

function posted(body, method = "POST") {
  return {
    method,
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: JSON.stringify(body),
    keepalive: true, // the request outlives the page when a click also opens the next one
  };
}

/** From the cookie: signing in again in another tab changes it, and the one in this page's forms is then out of date. */
export function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
}
