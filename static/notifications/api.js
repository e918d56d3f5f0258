/** A request that the server refused, or that did not reach it (status 0). */
export class ApiError extends Error {
  constructor(status, message = "The server cannot be reached.") {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** The HTTP API. Every method returns the answer's JSON or throws ApiError. */
export class Api {
  #root;

  /** `root` is the API's address with a slash at the end. */
  constructor(root) {
    this.#root = root;
  }

  list(parameters = {}) {
    return this.#request(`list/?${new URLSearchParams(parameters)}`);
  }

  unreadCount() {
    return this.#request("unread-count/");
  }

  markRead(id) {
    return this.#post(`mark-read/${id}/`);
  }

  markAllRead(upToSeq) {
    return this.#post("mark-all-read/", { up_to_seq: upToSeq });
  }

  undoMarkAllRead(seq) {
    return this.#post("mark-all-read/undo/", { seq });
  }

  #post(path, body = null) {
    const headers = { "X-CSRFToken": csrfToken() };
    if (body) headers["Content-Type"] = "application/json";
    // keepalive: the request outlives the page when a click also opens the next one.
    return this.#request(path, { method: "POST", headers, body: body && JSON.stringify(body), keepalive: true });
  }

  async #request(path, options = {}) {
    const response = await fetch(this.#root + path, { credentials: "same-origin", ...options }).catch(() => null);
    if (!response) throw new ApiError(0);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new ApiError(response.status, answer.error?.message);
    return answer;
  }
}

/** From the cookie: signing in again in another tab changes it, and the one in this page's forms is then out of date. */
function csrfToken() {
  const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1];
  return cookie ?? document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}
