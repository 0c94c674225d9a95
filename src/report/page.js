// The report's moving parts: theme, legend, values under the pointer, the table of edits, one edit's details. The
// figures themselves are drawn already; everything here comes from the JSON block, and texts from it only ever
// become text nodes.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const several = data.runs.length > 1;
  document.documentElement.classList.add("script");

  // ---- helpers ----

  // element("td", {class: "number"}, "5"): attributes, then children; functions become listeners.
  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    return fill(made, attributes, children);
  }

  function svgElement(tag, attributes, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    return fill(made, attributes, children);
  }

  function fill(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (typeof value === "function") made.addEventListener(name, value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  const known = (value) => value !== null && value !== undefined;

  // Four digits that matter; a dash where nothing was measured.
  function number(value, unit = "") {
    if (!known(value)) return "–";
    const size = Math.abs(value);
    const text =
      value !== 0 && (size < 1e-3 || size >= 1e6)
        ? value.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e")
        : String(Number(value.toPrecision(4)));
    return text + unit;
  }

  function percent(nll) {
    if (!known(nll)) return "–";
    const share = 100 * Math.exp(-nll);
    return `${share >= 0.005 ? share.toFixed(2) : number(Number(share.toPrecision(2)))} %`;
  }

  // Rows of the table of edits, as objects; details lie beside them.
  for (const [r, run] of data.runs.entries()) {
    run.rows = run.rows.map((row, index) => {
      const made = { run: r, index };
      data.columns.forEach((name, column) => (made[name] = row[column]));
      made.text = [run.label, made.case, made.subject, made.prompt, made.target_new, made.target_true, made.flag]
        .filter(known)
        .join(" ")
        .toLowerCase();
      return made;
    });
    run.hidden = false;
  }

  const request = (row) => row.prompt.replace("{}", () => row.subject);

  // ---- theme ----

  const theme = byId("theme");
  const systemDark = matchMedia("(prefers-color-scheme: dark)");

  function remembered(value) {
    try {
      if (value) localStorage.setItem("aedile-theme", value);
      return localStorage.getItem("aedile-theme");
    } catch {
      return null; // some browsers keep nothing for files
    }
  }

  function setTheme(name) {
    if (name) document.documentElement.dataset.theme = name;
    const dark = name ? name === "dark" : systemDark.matches;
    theme.textContent = dark ? "Light" : "Dark";
    theme.setAttribute("aria-label", dark ? "Use light colours" : "Use dark colours");
  }

  theme.hidden = false;
  setTheme(remembered());
  systemDark.addEventListener("change", () => setTheme(document.documentElement.dataset.theme));
  theme.addEventListener("click", () => {
    const current = document.documentElement.dataset.theme || (systemDark.matches ? "dark" : "light");
    const next = current === "dark" ? "light" : "dark";
    remembered(next);
    setTheme(next);
  });

  // ---- legend ----

  function showRun(r, shown) {
    data.runs[r].hidden = !shown;
    hideTip();
    for (const group of document.querySelectorAll(`.panel [data-run="${r}"]`)) {
      group.style.display = shown ? "" : "none";
    }
  }

  for (const entry of several ? document.querySelectorAll("#legend li[data-run]") : []) {
    const r = Number(entry.dataset.run);
    const box = element("input", { type: "checkbox", checked: true, change: () => showRun(r, box.checked) });
    const label = element("label", {}, box, ...entry.childNodes);
    entry.append(label);
  }

  // ---- values in figures ----

  const tip = byId("tip");
  let pointed = null; // {panel, series, i}: what the tip tells of

  function place(axis, value) {
    const [low, high, log] = axis;
    if (!known(value) || (log && value <= 0)) return NaN;
    return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  }

  const xOf = (series, i) => (series.x ? series.x[i] : data.runs[series.run].rows[i].edit);

  function position(panel, series, i) {
    const [left, top, width, height] = panel.plot;
    return [left + width * place(panel.x, xOf(series, i)), top + height * (1 - place(panel.y, series.y[i]))];
  }

  // Sideways counts more than up and down for lines, whose points are found by their edit.
  function nearest(panel, x, y) {
    let best = null;
    let least = 40 * 40;
    for (const series of panel.series) {
      if (data.runs[series.run].hidden) continue;
      const flat = series.line ? 0.15 : 1;
      for (let i = 0; i < series.y.length; i++) {
        const [px, py] = position(panel, series, i);
        const apart = (px - x) ** 2 + flat * (py - y) ** 2;
        if (apart < least) {
          least = apart;
          best = { panel, series, i };
        }
      }
    }
    return best;
  }

  function rowOf(point) {
    return point.series.edits ? data.runs[point.series.run].rows[point.i] : null;
  }

  function describe(point) {
    const { panel, series, i } = point;
    const row = rowOf(point);
    const lines = [];
    if (several || series.name === data.runs[series.run].label) lines.push(series.name);
    else lines.push(`${data.runs[series.run].label}: ${series.name}`);
    if (row) lines.push(`edit ${row.edit} (case ${row.case}): ${row.subject} → ${row.target_new}`);
    else lines.push(`after ${number(xOf(series, i))} edits`);
    if (series.x && row) lines.push(`${panel.x[3]}: ${number(series.x[i])}`);
    lines.push(`${panel.y[3]}: ${number(series.y[i])}`);
    if (series.raw) lines.push(`this edit: ${number(series.raw[i])}`);
    return { lines, flag: row && row.flag };
  }

  function showTip(point, clientX, clientY, touch) {
    pointed = point;
    point.panel.last = point;
    const { lines, flag } = describe(point);
    tip.replaceChildren(
      ...lines.map((line, n) => element("p", n === 0 ? { style: "font-weight: 600" } : {}, line)),
      flag ? element("p", { class: "flag-text" }, `Flagged: ${flag}`) : "",
      touch && rowOf(point) ? element("p", { class: "muted" }, "Tap here for its details") : "",
    );
    tip.classList.toggle("touch", touch);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = clientX + 14 + box.width > innerWidth ? clientX - 14 - box.width : clientX + 14;
    const top = clientY + 14 + box.height > innerHeight ? clientY - 14 - box.height : clientY + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
    moveCursor(point);
  }

  function moveCursor(point) {
    const [x, y] = position(point.panel, point.series, point.i);
    const { cursor } = point.panel;
    cursor.setAttribute("cx", x);
    cursor.setAttribute("cy", y);
    cursor.style.display = "";
  }

  function hideTip() {
    if (pointed) pointed.panel.cursor.style.display = "none";
    pointed = null;
    tip.hidden = true;
  }

  tip.addEventListener("click", () => pointed && openPoint(pointed));

  function openPoint(point) {
    const row = rowOf(point);
    if (row) openEdit(row);
  }

  // The point's place on the screen, for a tip that no pointer asked for.
  function onScreen(panel, series, i) {
    const [x, y] = position(panel, series, i);
    const place = new DOMPoint(x, y).matrixTransform(panel.svg.getScreenCTM());
    return [place.x, place.y];
  }

  const visible = (panel) =>
    panel.series.filter((s) => !data.runs[s.run].hidden && s.y.some((_, i) => pointKnown(panel, s, i)));

  function pointKnown(panel, series, i) {
    return position(panel, series, i).every(Number.isFinite);
  }

  // Left and right: the next point of the series; up and down: the same place in the next series.
  function step(panel, key) {
    const all = visible(panel);
    if (all.length === 0) return;
    const here = panel.last && all.includes(panel.last.series) ? panel.last : null;
    const across = { ArrowUp: all.length - 1, ArrowDown: 1 }[key] || 0;
    const series = all[((here ? all.indexOf(here.series) : 0) + across) % all.length];
    const back = key === "ArrowLeft" || key === "End";
    let i = key === "Home" || (!here && !back) ? -1 : key === "End" || !here ? series.y.length : here.i;
    if (across) i = Math.min(i, series.y.length - 1) - 1;
    do i += back ? -1 : 1;
    while (i >= 0 && i < series.y.length && !pointKnown(panel, series, i));
    if (i >= 0 && i < series.y.length) showTip({ panel, series, i }, ...onScreen(panel, series, i), false);
  }

  function prepare(panel, svg) {
    panel.svg = svg;
    panel.cursor = svgElement("circle", { class: "cursor", r: 6, style: "display: none" });
    svg.append(panel.cursor);
    svg.classList.toggle("clickable", panel.series.some((series) => series.edits));
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")} Arrow keys move through the points.`);
    const find = (event) => {
      const from = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return nearest(panel, from.x, from.y);
    };
    let touch = false;
    svg.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      const point = find(event);
      if (point) showTip(point, event.clientX, event.clientY, false);
      else hideTip();
    });
    svg.addEventListener("pointerdown", (event) => (touch = event.pointerType === "touch"));
    svg.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && hideTip());
    svg.addEventListener("blur", hideTip);
    svg.addEventListener("click", (event) => {
      if (touch) {
        const point = find(event);
        if (point) showTip(point, event.clientX, event.clientY, true);
        else hideTip();
      } else if (pointed && pointed.panel === panel) {
        openPoint(pointed); // what the tip tells of, not what a rounded place is nearest to
      }
    });
    svg.addEventListener("keydown", (event) => {
      if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
        event.preventDefault();
        step(panel, event.key);
      } else if (event.key === "Enter" && panel.last) {
        openPoint(panel.last);
      } else if (event.key === "Escape") {
        hideTip();
      }
    });
  }

  for (const figure of data.figures) {
    const drawings = byId(figure.id).querySelectorAll("svg.panel");
    figure.panels.forEach((panel, p) => prepare(panel, drawings[p]));
  }
  addEventListener("scroll", () => !tip.hidden && !tip.classList.contains("touch") && hideTip(), { passive: true });

  // ---- table of edits ----

  const columns = [
    several && { name: "run", title: "Run", class: "plain", cell: (row) => data.runs[row.run].label },
    { name: "edit", title: "Edit", class: "number", cell: (row) => editLink(row, String(row.edit)) },
    { name: "case", title: "Case", class: "number", cell: (row) => String(row.case) },
    { name: "subject", title: "Request", class: "request", cell: (row) => `${request(row)} → ${row.target_new}` },
    { name: "efficacy", title: "ES", about: "Efficacy, %", class: "number" },
    { name: "paraphrase", title: "PS", about: "Paraphrase score, %", class: "number" },
    { name: "neighborhood", title: "NS", about: "Neighbourhood score, %", class: "number" },
    { name: "entropy", title: "Entropy", about: "n-gram entropy of the generations, bits", class: "number" },
    { name: "update", title: "‖ΔW‖ / elements", about: "Size of the update", class: "number" },
    { name: "k_dot_u", title: "k·u", about: "Divisor of the update", class: "number" },
    { name: "flag", title: "Flag", cell: (row) => element("span", { class: "flag-text" }, row.flag || "") },
  ].filter((column) => column && data.runs.some((run) => run.rows.some((row) => known(row[column.name]))));

  const hashOf = (row) => `#run-${row.run + 1}-case-${row.case}`;
  const editLink = (row, text) => element("a", { href: hashOf(row) }, text);

  const everything = data.runs.flatMap((run) => run.rows);
  const list = { sorted: null, descending: false, rows: everything, drawn: 0 };
  const CHUNK = 100; // rows that are drawn at once
  const words = byId("filter");
  const flaggedOnly = byId("flagged");
  const chosenRun = byId("run");
  const count = byId("count");
  const more = byId("more");
  const body = element("tbody");

  function select() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.rows = everything.filter(
      (row) =>
        (!flaggedOnly.checked || row.flag) &&
        (chosenRun.value === "" || row.run === Number(chosenRun.value)) &&
        wanted.every((word) => row.text.includes(word)),
    );
    if (list.sorted) {
      const { name } = list.sorted;
      const sign = list.descending ? -1 : 1;
      list.rows.sort((a, b) => {
        // What is unknown comes last, whichever way.
        if (!known(a[name]) || !known(b[name])) return known(b[name]) - known(a[name]);
        return sign * (typeof a[name] === "string" ? a[name].localeCompare(b[name]) : a[name] - b[name]);
      });
    }
    count.textContent = `${list.rows.length} of ${everything.length} edits`;
    list.drawn = 0;
    body.replaceChildren();
    draw();
  }

  function draw() {
    const next = list.rows.slice(list.drawn, list.drawn + CHUNK);
    list.drawn += next.length;
    body.append(
      ...next.map((row) =>
        element(
          "tr",
          { class: row.flag ? "flagged" : null },
          ...columns.map((column) =>
            element("td", { class: column.class || null }, column.cell ? column.cell(row) : number(row[column.name])),
          ),
        ),
      ),
    );
    watcher.disconnect();
    if (body.lastChild) watcher.observe(body.lastChild);
    more.hidden = list.drawn >= list.rows.length;
    more.textContent = `Show more (${list.rows.length - list.drawn} are left)`;
  }

  function sortBy(column) {
    list.descending = list.sorted === column ? !list.descending : false;
    list.sorted = column;
    columns.forEach((each, c) => {
      const order = each === column ? (list.descending ? "descending" : "ascending") : null;
      if (order) heads[c].setAttribute("aria-sort", order);
      else heads[c].removeAttribute("aria-sort");
    });
    select();
  }

  const heads = columns.map((column) =>
    element(
      "th",
      { scope: "col", class: column.class === "number" ? "number" : null },
      element("button", { type: "button", title: column.about, click: () => sortBy(column) }, column.title),
    ),
  );
  byId("list").append(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body));
  data.runs.forEach((run, r) => chosenRun.append(element("option", { value: r }, run.label)));
  chosenRun.hidden = !several;
  byId("edit-list").hidden = false;
  words.addEventListener("input", select);
  flaggedOnly.addEventListener("change", select);
  chosenRun.addEventListener("change", select);
  more.addEventListener("click", draw);
  // More rows come by themselves where the table's end is near: the last row drawn is watched.
  const watcher = new IntersectionObserver(
    (seen) => seen.some((entry) => entry.isIntersecting) && !more.hidden && draw(),
    { root: byId("list"), rootMargin: "400px" },
  );
  select();

  // ---- one edit ----

  const dialog = byId("edit");
  let opened = null;

  function openEdit(row) {
    hideTip();
    if (location.hash === hashOf(row)) showEdit(row);
    else location.hash = hashOf(row);
  }

  function editOfHash() {
    const match = /^#run-(\d+)-case-(\d+)$/.exec(location.hash);
    const run = match && data.runs[match[1] - 1];
    return (run && run.rows.find((row) => row.case === Number(match[2]))) || null;
  }

  function followHash() {
    const row = editOfHash();
    if (row) showEdit(row);
    else if (dialog.open) dialog.close();
  }

  function showEdit(row) {
    opened = row;
    const details = data.runs[row.run].details[row.index];
    const run = several ? ` of ${data.runs[row.run].label}` : "";
    byId("edit-title").textContent = `Edit ${row.edit}, case ${row.case}${run}`;
    byId("edit-body").replaceChildren(...editParts(row, details));
    const { rows } = data.runs[row.run];
    byId("before").disabled = row.index === 0;
    byId("after").disabled = row.index === rows.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  function neighbour(by) {
    const row = data.runs[opened.run].rows[opened.index + by];
    if (!row) return;
    history.replaceState(null, "", hashOf(row));
    showEdit(row);
  }

  byId("before").addEventListener("click", () => neighbour(-1));
  byId("after").addEventListener("click", () => neighbour(1));
  byId("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  dialog.addEventListener("close", () => {
    if (editOfHash()) history.replaceState(null, "", location.pathname + location.search);
  });

  function editParts(row, details) {
    const parts = [
      element("p", { class: "change" }, `${request(row)} → `, element("strong", {}, row.target_new),
        row.target_true ? element("span", { class: "muted" }, ` (was: ${row.target_true})`) : null),
    ];
    if (row.flag) parts.push(element("p", { class: "banner" }, `Flagged: ${row.flag}`));
    if (details.error) parts.push(element("p", { class: "banner" }, details.error));
    parts.push(factList(row, details), ...promptTable(details), ...lossCurves(details), ...generations(details));
    return parts;
  }

  // Kinds of prompts, and whether the true target should win there (null: it does not matter).
  const KINDS = [
    ["rewrite", "The request", false], ["paraphrase", "Paraphrase", false],
    ["neighborhood", "Neighbour", true], ["attribute", "Attribute", null],
  ];

  const asWanted = ([ofNew, ofTrue], keepsTrue) =>
    known(ofNew) && known(ofTrue) && (keepsTrue ? ofTrue < ofNew : ofNew < ofTrue);

  // How many of a case's prompts come out as wanted, in percent; null where they were not measured.
  function share(measured, kind) {
    const keepsTrue = KINDS.find(([name]) => name === kind)[2];
    const pairs = measured[kind] || [];
    const right = [...pairs.map((pair) => asWanted(pair, keepsTrue)), ...(measured[`${kind}_correct`] || [])];
    return right.length ? (100 * right.filter(Boolean).length) / right.length : null;
  }

  function factList(row, details) {
    const { pre = {}, post = {} } = details;
    const change = (before, after) =>
      !known(after) ? null : known(before) ? `${number(before)} → ${number(after)}` : number(after);
    const facts = [
      ["Efficacy, %", change(share(pre, "rewrite"), row.efficacy)],
      ["Paraphrase, %", change(share(pre, "paraphrase"), row.paraphrase)],
      ["Neighbourhood, %", change(share(pre, "neighborhood"), row.neighborhood)],
      ["n-gram entropy, bits", change(pre.ngram_entropy, post.ngram_entropy)],
      ["Reference score", change(pre.reference_score, post.reference_score)],
      ["Essence score", change(pre.essence_score, post.essence_score)],
      ["‖ΔW‖ / elements", row.update],
      ["‖ΔW‖", details.update_norm],
      ["‖W − W₀‖ / elements", details.distance],
      ["k·u", row.k_dot_u],
      ["‖δ‖", details.delta_norm],
      ["Steps", details.n_steps],
      ["Perplexity", details.perplexity],
      ["Seconds", details.time],
      ["File", details.file],
    ].filter(([, value]) => known(value));
    const shown = (value) => (typeof value === "string" ? value : number(value));
    return element(
      "dl",
      {},
      ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, shown(value)))),
    );
  }

  const cell = (text, attributes) => element("td", attributes, text);
  const head = (text, attributes) => element("th", { scope: "col", ...attributes }, text);

  // A row a prompt: how likely both targets are, and whether the one that should win does.
  function promptTable({ pre = {}, post = {} }) {
    const withBefore = Object.keys(pre).length > 0;
    const rows = [];
    const tokens = [];
    for (const [kind, title, keepsTrue] of KINDS) {
      for (const [n, after] of (post[kind] || []).entries()) {
        const before = withBefore ? (pre[kind] || [])[n] || [null, null] : [];
        const right = keepsTrue === null || asWanted(after, keepsTrue);
        rows.push(
          element(
            "tr",
            {},
            cell(post[kind].length > 1 ? `${title} ${n + 1}` : title),
            ...[...before, ...after].map((nll) => cell(percent(nll), { class: "number" })),
            keepsTrue === null ? cell("") : right ? cell("✓ as wanted") : cell("✗ not as wanted", { class: "wrong" }),
          ),
        );
      }
      const correct = (post[`${kind}_correct`] || []).map((right) => (right ? "✓" : "✗"));
      if (correct.length) tokens.push(element("p", {}, `${title}: ${correct.join(" ")}`));
    }
    if (tokens.length) return [element("h3", {}, "Tokens that are right"), ...tokens];
    if (!rows.length) return [];
    const names = [...(withBefore ? ["new, before", "true, before"] : []), "new target", "true target"];
    const heads = [head("Prompt"), ...names.map((name) => head(name, { class: "number" })), head("")];
    const top = element("thead", {}, element("tr", {}, ...heads));
    const table = element("table", {}, top, element("tbody", {}, ...rows));
    return [element("h3", {}, "Probabilities a token"), element("div", { class: "scroll" }, table)];
  }

  function lossCurves({ loss = {} }) {
    const layers = Object.entries(loss).filter(([, values]) => values.filter(known).length > 1);
    if (!layers.length) return [];
    return [
      element("h3", {}, "Loss of the optimisation"),
      ...layers.map(([layer, values]) => lossCurve(layers.length > 1 ? `, layer ${layer}` : "", values)),
    ];
  }

  function lossCurve(name, values) {
    const [left, top, width, height] = [46, 12, 420, 120];
    const bottom = top + height;
    const most = Math.max(...values.filter(known), 0) || 1;
    const x = (i) => left + (width * i) / (values.length - 1);
    const y = (value) => top + height * (1 - value / most);
    let path = "";
    values.forEach((value, i) => {
      if (!known(value)) return;
      path += `${i > 0 && known(values[i - 1]) ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    const label = (px, py, anchor, text) =>
      svgElement("text", { class: "muted", "font-size": 11, x: px, y: py, "text-anchor": anchor }, text);
    const words = `Loss${name} from ${number(values[0])} to ${number(values.at(-1))} in ${values.length} steps.`;
    return svgElement(
      "svg",
      { class: "loss", viewBox: "0 0 480 172", role: "img", "aria-label": words },
      svgElement("path", { class: "grid", d: `M${left} ${top}h${width}M${left} ${bottom}h${width}` }),
      svgElement("path", { class: "s0", fill: "none", "stroke-width": 1.8, d: path }),
      label(left - 6, top + 4, "end", number(most)),
      label(left - 6, bottom + 4, "end", "0"),
      label(left, bottom + 16, "start", "1"),
      label(left + width, bottom + 16, "end", String(values.length)),
      label(left + width / 2, bottom + 30, "middle", `step${name}`),
    );
  }

  function generations({ post = {}, file }) {
    const texts = (post.text || []).map((text) => element("blockquote", {}, text));
    if (!texts.length) return [];
    const cut = `Cut after ${data.cut} bytes each; ${file} has the whole.`;
    return [element("h3", {}, "Generated texts"), data.cut ? element("p", { class: "muted" }, cut) : "", ...texts];
  }

  addEventListener("hashchange", followHash);
  followHash();
})();
