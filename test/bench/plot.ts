/** The ratios as bars: an SVG that needs nothing else. Pure. */
import type { Results } from "./results.ts";
import type { Spread } from "./statistics.ts";

const COLOURS = ["#9aa0a6", "#c5b358", "#1b6ca8", "#b5482a", "#4c8c4a", "#7b4fa3", "#444444"];
const WIDTH = 920;
const LEFT = 60;
const PANEL = 260;
const BARS = 190;
const TOP = 70;
const LEGEND_WIDTH = 210;

interface Panel {
  title: string;
  figure: "cpu" | "throughput";
}

const PANELS: readonly Panel[] = [
  { title: "CPU of all processes per request, by Envoy alone's (less is better)", figure: "cpu" },
  { title: "Requests per second, by Envoy alone's (more is better)", figure: "throughput" },
];

/** One panel for CPU and one for throughput; lines show the least and the most of the rounds. */
export function plotSvg(results: Results): string {
  const height = TOP + PANELS.length * PANEL;
  const panels = PANELS.map((panel, i) => panelSvg(results, panel, TOP + i * PANEL));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}"
  viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
${legend(results)}
${panels.join("\n")}
</svg>
`;
}

function legend({ chains, time }: Results): string {
  const perLine = Math.floor((WIDTH - LEFT) / LEGEND_WIDTH);
  const entries = chains.map(({ title }, i) => {
    const x = LEFT + (i % perLine) * LEGEND_WIDTH;
    const y = 30 + Math.floor(i / perLine) * 18;
    const box = `<rect x="${x}" y="${y - 10}" width="12" height="12" fill="${colour(i)}"/>`;
    return `${box}<text x="${x + 17}" y="${y}">${escaped(title)}</text>`;
  });
  return `<text x="${LEFT}" y="14" fill="#666666">${escaped(time)}</text>\n${entries.join("\n")}`;
}

function panelSvg(results: Results, { title, figure }: Panel, top: number): string {
  const names = results.scenarios
    .filter((one) => one.ratePerSecond === null)
    .map((one) => one.name);
  const spreadOf = (scenario: string, chain: string): Spread | undefined =>
    results.comparisons.find((one) => one.scenario === scenario && one.chain === chain)?.[figure];
  const all = results.comparisons.filter(({ scenario }) => names.includes(scenario));
  const most = Math.max(1, ...all.map((comparison) => comparison[figure].max));
  const bottom = top + 30 + BARS;
  const y = (value: number) => (bottom - (value / most) * BARS).toFixed(1);
  const group = (WIDTH - LEFT - 20) / names.length;
  const bar = (group - 24) / results.chains.length;
  const bars = names.flatMap((scenario, at) =>
    results.chains.map(({ name }, i) => {
      const spread = spreadOf(scenario, name);
      const x = LEFT + at * group + i * bar;
      return spread === undefined ? "" : barSvg(spread, x, bar, colour(i), y, bottom);
    }),
  );
  const labels = names.map((name, at) => {
    const middle = LEFT + at * group + (group - 24) / 2;
    return `<text x="${middle}" y="${bottom + 16}" text-anchor="middle">${escaped(name)}</text>`;
  });
  const one = `<line x1="${LEFT}" x2="${WIDTH - 20}" y1="${y(1)}" y2="${y(1)}" stroke="#bbbbbb"/>
<text x="${LEFT - 8}" y="${y(1)}" text-anchor="end" dominant-baseline="middle">1</text>`;
  return [`<text x="${LEFT}" y="${top + 14}">${title}</text>`, one, ...bars, ...labels].join("\n");
}

function barSvg(
  { median, min, max }: Spread,
  x: number,
  width: number,
  fill: string,
  y: (value: number) => string,
  bottom: number,
): string {
  const height = bottom - Number(y(median));
  const middle = x + width / 2;
  return `<rect x="${x}" y="${y(median)}" width="${width - 3}" height="${height}" fill="${fill}"/>
<line x1="${middle}" x2="${middle}" y1="${y(min)}" y2="${y(max)}" stroke="black"/>
<text x="${middle}" y="${Number(y(max)) - 4}" text-anchor="middle">${median.toFixed(2)}</text>`;
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] as string;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
