import { csrfToken } from "./api.js";
import { draftOf } from "./draft.js";
import { gettext } from "./texts.js";

const SETTLED_MS = 250;
const HEIGHT = 100; // of the drawing, as in notifications/preview_words.py

/** Shows what the form's contents would have done, while they change. The last answer stays until the next one is there. */
export class Preview {
  #place;
  #form;
  #state;
  #timer;
  #asking;

  constructor(place, form) {
    this.#place = place;
    this.#form = form;
    this.#state = place.querySelector("[data-preview-state]");
    for (const type of ["input", "change"]) form.addEventListener(type, () => this.#askIn(SETTLED_MS));
    place.addEventListener("change", () => this.#showLine());
    this.#askIn(0);
  }

  #askIn(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), wait);
  }

  async #ask() {
    this.#asking?.abort();
    this.#place.removeAttribute("aria-busy");
    if (this.#isIncomplete()) return this.#say(gettext("Some fields are not complete; the figures wait for them."));
    const asking = new AbortController();
    this.#asking = asking;
    this.#place.setAttribute("aria-busy", "true");
    try {
      const response = await this.#post(asking.signal);
      const answer = await response.json();
      if (response.ok) this.#show(answer);
      else this.#refused(response);
    } catch (error) {
      if (asking.signal.aborted) return;
      console.warn(error);
      this.#say(gettext("There is no answer; these figures are those of an earlier draft."));
    }
    this.#place.removeAttribute("aria-busy");
  }

  /** Such as a number of which the first digit is not typed yet: no question for the server. */
  #isIncomplete() {
    return [...this.#form.querySelectorAll("input[type=number], input[type=time]")].some(({ value }) => value === "");
  }

  #post(signal) {
    const flags = [...this.#form.querySelectorAll(".form-switch input")].map(({ name }) => name);
    return fetch(this.#place.dataset.preview, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
      body: JSON.stringify(draftOf(new FormData(this.#form), flags)),
      signal,
    });
  }

  #refused({ status, headers }) {
    if (status === 400) return this.#say(gettext("Some fields are not right; the figures wait for them."));
    if (status === 429) {
      this.#askIn(1000 * Number(headers.get("Retry-After")));
      return this.#say(gettext("Too many changes in a minute; the figures follow by themselves."));
    }
    this.#say(gettext("The server does not answer now; these figures are those of an earlier draft."));
  }

  #say(text) {
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }

  #show({ periods }) {
    this.#say("");
    for (const period of periods) {
      const place = this.#place.querySelector(`[data-preview-period="${period.days}"]`);
      place.querySelector("[data-headline]").textContent = period.headline;
      place.querySelector("[data-difference]").textContent = period.difference;
      for (const figure of place.querySelectorAll("[data-figure]")) {
        figure.textContent = period.draft[figure.dataset.figure];
      }
      draw(place.querySelector("[data-chart]"), period.by_day);
      place.querySelector("[data-first-day]").textContent = period.by_day[0].name;
      place.querySelector("[data-days]").replaceChildren(...period.by_day.map(row));
      place.querySelector("[data-reasons]").replaceChildren(...period.draft.reasons.map(reason));
    }
    this.#showLine();
  }

  /** Beside the button to save, for screens on which the figures have scrolled away. */
  #showLine() {
    const days = this.#place.querySelector("[name=preview-days]:checked").value;
    const headline = this.#place.querySelector(`[data-preview-period="${days}"] [data-headline]`);
    document.querySelector("[data-preview-line]").textContent = headline.textContent;
  }
}

/** The hidden ones of a day stand on the kept ones, all days on the scale of the busiest. */
function draw(chart, days) {
  const scale = HEIGHT / Math.max(1, ...days.map(({ kept, hidden }) => kept + hidden));
  for (const [place, { kept, hidden }] of days.entries()) {
    const [below, above] = chart.children[place].children;
    stand(below, 0, kept * scale);
    stand(above, kept * scale, hidden * scale);
  }
}

function stand(bar, from, height) {
  bar.setAttribute("y", HEIGHT - from - height);
  bar.setAttribute("height", height);
}

function row({ name, kept, hidden }) {
  const cells = [element("th", name), element("td", kept), element("td", hidden)];
  cells[0].scope = "row";
  const row = document.createElement("tr");
  row.append(...cells);
  return row;
}

function reason({ count, label }) {
  return element("li", `${count} × ${label}`);
}

function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
