import {
  AreaSeries,
  createChart,
  createSeriesMarkers,
  LineStyle,
} from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";
import { gettext, language } from "./texts.js";

const SHOWN_BEFORE = 50; // closes
const SHOWN_AFTER = 12;
const SHOWN_MARGIN = 4;
const NARROW_PX = 480;
const LABELS_PX = 70;
const RESULTS = { win: gettext("Target reached"), loss: gettext("Stop reached") };
const SIDES = { buy: gettext("Buy"), sell: gettext("Sell") };

/** The insight's price chart: daily closes, the levels, and the days on which it was made and closed. */
class PriceChart {
  #prices;
  #chart;
  #closes;
  #markers;
  #lines = {};

  constructor(box, prices) {
    this.#prices = prices;
    const digits = { minimumFractionDigits: prices.decimals, maximumFractionDigits: prices.decimals };
    const price = new Intl.NumberFormat(language, digits);
    this.#chart = createChart(box, {
      autoSize: true,
      localization: { locale: language, priceFormatter: (value) => price.format(value) },
      handleScroll: false,
      handleScale: false,
      // From the start: the logo comes with a style element, which the policy forbids. The page credits TradingView.
      layout: { attributionLogo: false },
    });
    this.#closes = this.#chart.addSeries(AreaSeries, {
      priceFormat: { type: "price", precision: prices.decimals, minMove: 10 ** -prices.decimals },
      lineWidth: 2,
      priceLineVisible: false,
      lastValueVisible: false,
      autoscaleInfoProvider: (original) => this.#withLevels(original()),
    });
    this.#closes.setData(prices.closes);
    this.#markers = createSeriesMarkers(this.#closes, []);
    this.#drawLevels();
    this.paint();
    this.#show(box.clientWidth);
  }

  /** In the colours that the stylesheet gives now. */
  paint() {
    const [text, line, accent, buy, sell] = ["text-2", "line-soft", "accent", "buy", "sell"].map(token);
    this.#chart.applyOptions({
      layout: {
        background: { color: "transparent" },
        textColor: text,
        fontFamily: token("font"),
      },
      grid: { vertLines: { visible: false }, horzLines: { color: line } },
      rightPriceScale: { borderVisible: false },
      timeScale: { borderColor: line },
      crosshair: { vertLine: { color: text }, horzLine: { color: text } },
    });
    this.#closes.applyOptions({ lineColor: accent, topColor: `${accent}33`, bottomColor: `${accent}00` });
    for (const [name, color] of Object.entries({ target: buy, entry: text, stop: sell })) {
      this.#lines[name]?.applyOptions({ color, axisLabelColor: color, axisLabelTextColor: token("surface") });
    }
    this.#markers.setMarkers(this.#marks(text, buy, sell));
  }

  /** Around the insight, up to where it was closed, with room for the levels' labels; the rest is a drag away. */
  #show(width) {
    const { closes, made, closed_on: closedOn } = this.#prices;
    const closed = closes.findIndex(({ time }) => time === closedOn);
    const to = Math.min(closes.length, Math.max(made + SHOWN_AFTER, closed + SHOWN_MARGIN));
    const from = Math.max(0, made - (width < NARROW_PX ? SHOWN_BEFORE / 2 : SHOWN_BEFORE));
    this.#chart.timeScale().setVisibleLogicalRange({ from, to: to + ((to - from) * LABELS_PX) / width });
  }

  #drawLevels() {
    const { target, entry, stop } = this.#prices;
    const lines = {
      target: [target, gettext("Target")],
      entry: [entry, gettext("Entry")],
      stop: [stop, gettext("Stop")],
    };
    for (const [name, [price, title]] of Object.entries(lines)) {
      const lineStyle = name === "entry" ? LineStyle.Dotted : LineStyle.Dashed;
      if (price !== null) this.#lines[name] = this.#closes.createPriceLine({ price, title, lineWidth: 1, lineStyle });
    }
  }

  #marks(text, buy, sell) {
    const { closes, made, side, outcome, closed_on: closedOn } = this.#prices;
    const long = side === "buy";
    const insight = { time: closes[made - 1].time, text: SIDES[side], color: long ? buy : sell };
    const marks = [{ ...insight, position: long ? "belowBar" : "aboveBar", shape: long ? "arrowUp" : "arrowDown" }];
    const last = closes.find(({ time }) => time === closedOn);
    if (last && RESULTS[outcome]) {
      const won = outcome === "win";
      marks.push({
        time: last.time,
        text: RESULTS[outcome],
        color: won ? buy : text,
        position: long ? "aboveBar" : "belowBar",
        shape: won ? "circle" : "square",
      });
    }
    return marks;
  }

  /** Stop and target are always in sight, wherever the closes are. */
  #withLevels(info) {
    const { stop, target } = this.#prices;
    const { minValue, maxValue } = info.priceRange;
    return {
      ...info,
      priceRange: { minValue: Math.min(minValue, stop, target), maxValue: Math.max(maxValue, stop, target) },
    };
  }
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

async function start(box) {
  const note = box.parentElement.querySelector("[data-chart-note]");
  const response = await fetch(box.dataset.closes).catch(() => null);
  if (!response?.ok) {
    note.textContent = gettext("The chart's data could not be loaded. Load the page again to see it.");
    return;
  }
  const chart = new PriceChart(box, await response.json());
  note.remove();
  new MutationObserver(() => chart.paint()).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
}

const box = document.querySelector("[data-closes]");
if (box) start(box);
