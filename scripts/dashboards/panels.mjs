// Draws Grafana dashboards without Grafana: asks a Prometheus what each panel asks, and lays the answers out as the
// dashboard has them, with its titles, units and thresholds. One HTML page each; a browser makes a picture of it.
//
//   node panels.mjs PROMETHEUS FROM TO STEP OUT DASHBOARD...    times in epoch seconds, the step in seconds
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

const [prometheus, from, to, scrape, out, ...dashboards] = process.argv.slice(2);
const uplot = dirname(createRequire(join(process.cwd(), "x")).resolve("uplot"));
const script = readFileSync(join(uplot, "uPlot.iife.min.js"), "utf8");
const style = readFileSync(join(uplot, "uPlot.min.css"), "utf8");

const seconds = (text) => {
  const [, n, unit] = /^(\d+)(s|m|h)$/.exec(text);
  return Number(n) * { s: 1, m: 60, h: 3600 }[unit];
};

// As Grafana's Prometheus data source has them: a rate takes at least four scrapes.
function durations(panel) {
  const interval = Math.max(Number(scrape), panel.interval ? seconds(panel.interval) : 0);
  return { interval, rate: Math.max(interval + Number(scrape), 4 * Number(scrape)) };
}

async function ask(path, parameters) {
  const answer = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== "success") throw new Error(`${parameters.query}: ${body.error}`);
  return body.data.result;
}

const legend = (format, labels) =>
  format ? format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "").trim() : JSON.stringify(labels);

async function series(panel) {
  const { interval, rate } = durations(panel);
  const all = [];
  for (const target of panel.targets) {
    const query = target.expr.replaceAll("$__rate_interval", `${rate}s`).replaceAll("$__interval", `${interval}s`);
    if (/\$/.test(query)) throw new Error(`${panel.title}: ${query}: a variable that is not known here`);
    const start = Math.ceil(Number(from) / interval) * interval;
    const found =
      panel.type === "stat" || panel.type === "table"
        ? (await ask("query", { query, time: to })).map((s) => ({ metric: s.metric, values: [s.value] }))
        : await ask("query_range", { query, start, end: to, step: interval });
    for (const s of found) {
      const byTime = new Map(s.values.map(([t, v]) => [t, Number(v)]));
      all.push({ name: legend(target.legendFormat, s.metric), byTime, last: s.values.at(-1)?.[1], labels: s.metric });
    }
  }
  const times = [];
  for (let t = Math.ceil(Number(from) / interval) * interval; t <= Number(to); t += interval) times.push(t);
  return {
    times,
    // What is not a number is a gap.
    lines: all.map((s) => ({
      name: s.name,
      labels: panel.type === "table" ? s.labels : undefined,
      last: Number(s.last),
      values: times.map((t) => (Number.isFinite(s.byTime.get(t)) ? s.byTime.get(t) : null)),
    })),
  };
}

// Runs in the page.
function draw(panels, uPlot) {
  const colours = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#96d98d", "#ffb357", "#c4162a"];
  const number = (v) => (Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3))));
  const scaled = (v, steps) => {
    const [, by, name] = steps.find(([from]) => Math.abs(v) >= from) ?? steps.at(-1);
    return `${number(v * by)} ${name}`;
  };
  const format = {
    short: number,
    ops: (v) => `${number(v)}/s`,
    s: (v) => (v === 0 ? "0 s" : scaled(v, [[1, 1, "s"], [1e-3, 1e3, "ms"], [0, 1e6, "µs"]])),
    bytes: (v) => scaled(v, [[2 ** 30, 2 ** -30, "GiB"], [2 ** 20, 2 ** -20, "MiB"], [2 ** 10, 2 ** -10, "KiB"], [0, 1, "B"]]),
  };
  for (const panel of panels) {
    const box = document.getElementById(`panel-${panel.id}`);
    const unit = format[panel.unit];
    if (!unit) throw new Error(`${panel.title}: no format for the unit ${panel.unit}`);
    if (!panel.lines.length) {
      box.innerHTML += '<div class="none"></div>';
      box.lastChild.textContent = panel.noValue ?? "No data";
    } else if (panel.type === "table") {
      const { excludeByName: hidden = {}, renameByName: named = {} } = panel.organize ?? {};
      const columns = [...new Set(panel.lines.flatMap((l) => Object.keys(l.labels))), "Value"].filter((c) => !hidden[c]);
      const rows = panel.lines.map((l) => columns.map((c) => (c === "Value" ? unit(l.last) : (l.labels[c] ?? "")))).sort();
      const table = document.createElement("table");
      for (const [tag, cells] of [["th", columns.map((c) => named[c] ?? c)], ...rows.map((r) => ["td", r])]) {
        const tr = table.insertRow();
        for (const text of cells) tr.appendChild(document.createElement(tag)).textContent = text;
      }
      box.append(table);
    } else if (panel.type === "stat") {
      const row = document.createElement("div");
      row.className = "stats";
      for (const l of panel.lines) {
        const step = (panel.thresholds ?? []).findLast((s) => s.value === null || l.last >= s.value);
        const colour = { green: "#73bf69", red: "#f2495c", text: "#ccccdc" }[step?.color] ?? step?.color ?? "#73bf69";
        row.innerHTML += `<div><span>${panel.lines.length > 1 ? l.name : ""}</span><b style="color:${colour}">${unit(l.last)}</b></div>`;
      }
      box.append(row);
    } else {
      const at = document.createElement("div");
      box.append(at);
      const keys = document.createElement("div");
      keys.className = "keys";
      keys.innerHTML = panel.lines.map((l, i) => `<span><i style="background:${colours[i % colours.length]}"></i>${l.name}</span>`).join("");
      box.append(keys);
      const axis = { stroke: "#ccccdc", grid: { stroke: "rgba(204,204,220,.1)", width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
      at.style.marginTop = "4px";
      // Each on top of those before it; the last is drawn first, and the others over its foot.
      if (panel.stacked) {
        panel.lines.forEach((l, i) => i && (l.values = l.values.map((v, t) => (v ?? 0) + (panel.lines[i - 1].values[t] ?? 0))));
      }
      const order = panel.lines.map((l, i) => ({ ...l, colour: colours[i % colours.length] }));
      if (panel.stacked) order.reverse();
      const bars = panel.style === "bars" ? uPlot.paths.bars({ size: [0.9, 24] }) : undefined;
      new uPlot(
        {
          width: box.clientWidth - 16,
          height: box.clientHeight - keys.offsetHeight - 40,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, low, high) => [panel.min ?? low, high > (panel.min ?? low) ? high * 1.1 : (panel.min ?? low) + 1] } },
          axes: [
            { ...axis, size: 26, gap: 6, values: (_, ts) => ts.map((t) => new Date(t * 1000).toISOString().slice(11, 16)) },
            { ...axis, size: 70, space: 24, values: (_, vs) => vs.map(unit),
              incrs: panel.unit === "bytes" ? [...Array(40).keys()].map((n) => 2 ** n) : undefined },
          ],
          series: [{}, ...order.map((l) => ({ stroke: l.colour, fill: bars ? l.colour : undefined, width: 1.5, points: { show: false }, paths: bars }))],
        },
        [panel.times, ...order.map((l) => l.values)],
        at,
      );
    }
  }
}

for (const file of dashboards) {
  const board = JSON.parse(readFileSync(file, "utf8"));
  const panels = [];
  for (const p of board.panels) {
    const d = p.fieldConfig.defaults;
    panels.push({
      id: p.id, type: p.type, title: p.title, unit: d.unit, min: d.min, style: d.custom?.drawStyle, stacked: d.custom?.stacking?.mode === "normal", noValue: d.noValue,
      organize: p.transformations?.find((t) => t.id === "organize")?.options, thresholds: d.thresholds?.steps, grid: p.gridPos, ...(await series(p)),
    });
  }
  const cell = { w: 50, h: 30, gap: 8 }; // Grafana's grid has 24 columns
  const high = Math.max(...panels.map((p) => p.grid.y + p.grid.h)) * cell.h + 64;
  const boxes = panels.map(
    (p) => `<section id="panel-${p.id}" style="left:${p.grid.x * cell.w}px;top:${p.grid.y * cell.h + 52}px;width:${p.grid.w * cell.w - cell.gap}px;height:${p.grid.h * cell.h - cell.gap}px"><h2>${p.title}</h2></section>`,
  );
  const page = `<!doctype html><meta charset="utf-8"><style>${style}
    body { margin: 8px; background: #111217; color: #ccccdc; font: 12px sans-serif; position: relative; width: 1200px; height: ${high}px; overflow: hidden }
    h1 { font-size: 18px; font-weight: 500; margin: 0 } h1 small { font-size: 12px; color: #8e8e99; font-weight: 400; margin-left: 12px } h2 { font-size: 13px; font-weight: 500; margin: 0 0 6px }
    section { position: absolute; background: #181b1f; border: 1px solid #25272b; box-sizing: border-box; padding: 8px; overflow: hidden }
    .none { display: flex; height: 80%; align-items: center; justify-content: center; color: #8e8e99 }
    table { border-collapse: collapse; font-size: 11px } th, td { text-align: left; padding: 1px 10px 1px 0; white-space: nowrap; max-width: 150px; overflow: hidden; text-overflow: ellipsis } th { color: #8e8e99; font-weight: 500 }
    .keys span { margin-right: 12px; white-space: nowrap; display: inline-block } .keys i { display: inline-block; width: 12px; height: 4px; margin-right: 5px; vertical-align: middle }
    .stats { display: flex; height: 80%; align-items: center; justify-content: space-around } .stats div { text-align: center } .stats span { display: block } .stats b { font-size: 40px; font-weight: 500 }</style>
    <h1>${board.title}<small>drawn by scripts/dashboards-render, not Grafana; ${new Date(from * 1000).toISOString().slice(0, 16).replace("T", " ")} to ${new Date(to * 1000).toISOString().slice(11, 16)} UTC</small></h1>
    ${boxes.join("\n")}<script>${script}</script><script>(${draw})(${JSON.stringify(panels).replaceAll("<", "\\u003c")}, uPlot)</script>`;
  const name = basename(file, ".json");
  writeFileSync(join(out, `${name}.html`), page);
  writeFileSync(join(out, `${name}.size`), `1216,${high + 8}\n`);
  // Where the dashboard says how no data reads, there may be none.
  for (const p of panels.filter((p) => !p.lines.length && p.noValue === undefined)) console.log(`${name}: "${p.title}" has no data`);
}
