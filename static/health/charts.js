// From a table to a chart. Chart.js (static/vendor/chart.js) has defined `Chart` before this module runs.

const { Chart } = globalThis;
const GRID_LINES = 6;
const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** The chart of a figure, drawn anew or brought up to date; nothing for a figure that has none, or nothing to show. */
export function draw(figure, chart) {
  const box = figure.querySelector(".health-canvas");
  if (!box) return chart;
  const table = read(figure.querySelector("table"));
  box.hidden = table.labels.length === 0;
  if (box.hidden) return chart;
  const config = KINDS[figure.dataset.kind](table);
  if (!chart) return new Chart(box.querySelector("canvas"), config);
  chart.data = config.data;
  chart.options = config.options;
  chart.update("none");
  return chart;
}

/** In the colours of the theme as it is now. */
export function redraw(charts) {
  for (const [figure, chart] of charts) draw(figure, chart);
}

/** Labels of the rows and, of each column with a colour, its values and how they are written. */
function read(table) {
  const rows = [...table.tBodies[0].rows];
  const columns = [...table.tHead.rows[0].cells].map((cell, index) => ({ cell, index }));
  return {
    labels: rows.map((row) => row.cells[0].textContent),
    series: columns
      .filter(({ cell }) => cell.dataset.colour)
      .map(({ cell, index }) => ({
        label: cell.textContent,
        colour: colour(cell.dataset.colour),
        values: rows.map((row) => numberOf(row.cells[index])),
        texts: rows.map((row) => row.cells[index].textContent),
      })),
  };
}

function numberOf(cell) {
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

function colour(name) {
  return token(`--health-${name}`);
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// --- Kinds of charts -------------------------------------------------------------------------------------------------

const KINDS = {
  volume: ({ labels, series: [columns, line] }) => ({
    data: {
      labels,
      datasets: [
        { ...bar(columns), order: 2, yAxisID: "y" },
        { ...lineOf(line), order: 1, yAxisID: "right" },
      ],
    },
    options: options({
      scales: {
        x: category(),
        y: counts({ title: columns.label }),
        right: { ...counts({ title: line.label }), position: "right", grid: { display: false } },
      },
      legend: true,
    }),
  }),
  lines: ({ labels, series }) => ({
    data: { labels, datasets: series.map(lineOf) },
    options: options({ scales: { x: category(), y: durations() }, legend: true }),
  }),
  times: ({ labels, series }) => ({
    data: { labels, datasets: series.map(bar) },
    options: options({ scales: { x: magnitudes(), y: names() }, legend: true, lying: true }),
  }),
  shares: (table) => ({
    data: { labels: table.labels, datasets: shares(table).map((one) => ({ ...bar(one), stack: "all" })) },
    options: options({
      scales: {
        x: { ...counts({}), stacked: true, max: 100, ticks: { ...ticks(), callback: (value) => `${value} %` } },
        y: { ...names(), stacked: true },
      },
      legend: true,
      lying: true,
    }),
  }),
  ranks: ({ labels, series }) => ({
    data: { labels, datasets: series.map(bar) },
    options: options({ scales: { x: counts({}), y: names() }, lying: true }),
  }),
  columns: ({ labels, series }) => ({
    data: { labels, datasets: series.map(bar) },
    options: options({ scales: { x: category(), y: counts({ title: series[0].label }) } }),
  }),
};

/** Of each row's total, in percent; what a state has none of in any row is left out. */
function shares({ labels, series }) {
  const totals = labels.map((_, row) => series.reduce((sum, one) => sum + (one.values[row] ?? 0), 0));
  return series
    .filter((one) => one.values.some((value) => value > 0))
    .map((one) => ({
      ...one,
      values: one.values.map((value, row) => (totals[row] ? (100 * value) / totals[row] : 0)),
    }));
}

function bar({ label, colour, values, texts }) {
  return { type: "bar", label, data: values, texts, backgroundColor: colour, borderRadius: 3, maxBarThickness: 34 };
}

function lineOf({ label, colour, values, texts }) {
  return {
    type: "line",
    label,
    data: values,
    texts,
    borderColor: colour,
    backgroundColor: colour,
    borderWidth: 2,
    pointRadius: values.length > 40 ? 0 : 2,
    pointHoverRadius: 5,
    cubicInterpolationMode: "monotone",
    spanGaps: false,
  };
}

// --- Axes and options ------------------------------------------------------------------------------------------------

function ticks() {
  return { color: token("--body-quiet-color"), maxTicksLimit: GRID_LINES, font: { size: 11 } };
}

function counts({ title = "" }) {
  return {
    beginAtZero: true,
    grid: { color: token("--health-grid") },
    border: { display: false },
    ticks: { ...ticks(), precision: 0 },
    title: { display: title !== "", text: title, color: token("--body-quiet-color"), font: { size: 11 } },
  };
}

function category() {
  return {
    grid: { display: false },
    ticks: { ...ticks(), maxTicksLimit: 13, maxRotation: 0, autoSkipPadding: 14 },
  };
}

function names() {
  return { grid: { display: false }, ticks: { ...ticks(), maxTicksLimit: 20, autoSkip: false } };
}

function durations() {
  return {
    beginAtZero: true,
    grid: { color: token("--health-grid") },
    border: { display: false },
    ticks: { ...ticks(), callback: durationText },
  };
}

/** Stages differ by powers of ten: of the marks in between, 2 and 5 are named. */
function magnitudes() {
  const named = (value) => /^[125]e/.test(value.toExponential());
  return {
    ...durations(),
    type: "logarithmic",
    ticks: {
      ...ticks(),
      maxTicksLimit: 40,
      autoSkip: true,
      autoSkipPadding: 8,
      maxRotation: 0,
      callback: (value) => (named(value) ? durationText(value) : null),
    },
  };
}

/** Seconds as an axis has them; their symbols are the same in every language. */
function durationText(seconds) {
  if (seconds === 0) return "0";
  const [length, unit] = UNITS.find(([least]) => seconds >= least) ?? [0.001, "ms"];
  return `${Number((seconds / length).toPrecision(2)).toLocaleString(document.documentElement.lang)} ${unit}`;
}

function options({ scales, legend = false, lying = false }) {
  return {
    indexAxis: lying ? "y" : "x",
    responsive: true,
    maintainAspectRatio: false,
    animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? false : { duration: 300 },
    interaction: { mode: "index", intersect: false, axis: lying ? "y" : "x" },
    scales,
    plugins: {
      legend: {
        display: legend,
        position: "bottom",
        labels: { color: token("--body-fg"), boxWidth: 12, boxHeight: 12, font: { size: 12 } },
      },
      tooltip: { callbacks: { label: ({ dataset, dataIndex }) => `${dataset.label}: ${dataset.texts[dataIndex]}` } },
    },
  };
}
