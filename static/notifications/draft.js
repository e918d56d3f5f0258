const LISTS = ["symbols_filter", "strategies_filter"];
const TEXTS = ["quiet_start_time", "quiet_end_time", "quiet_mode", "time_zone"];

/**
 * The form's contents as the API takes them, as far as they decide what is shown. `flags` are the names of its switches:
 * one that is off is not in the contents.
 */
export function draftOf(data, flags) {
  const draft = Object.fromEntries(flags.map((name) => [name, data.has(name)]));
  const confidence = data.get("min_confidence");
  draft.min_confidence = confidence === "" ? null : Number(confidence);
  for (const name of LISTS) draft[name] = data.getAll(name).filter((value) => value.trim());
  for (const name of TEXTS) draft[name] = data.get(name);
  draft.quiet_weekdays = data.getAll("quiet_weekdays").map(Number);
  draft.quiet_windows = windows(data);
  return draft;
}

function windows(data) {
  const places = [...Array(Number(data.get("windows-TOTAL_FORMS"))).keys()];
  return places
    .map((place) => `windows-${place}`)
    .map((name) => ({
      start: data.get(`${name}-start`),
      end: data.get(`${name}-end`),
      weekdays: data.getAll(`${name}-weekdays`).map(Number),
    }));
}
