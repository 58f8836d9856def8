"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const MARKS = { best: "accent", alarm: "alarm", rollback: "rollback" };
  const CONFIG = {
    displaylogo: false,
    responsive: true,
    displayModeBar: touch.matches ? false : "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "pan2d"],
  };

  /* Ticks of a logarithmic axis: at 1, 2 and 5, or of many decades at some powers of ten. */
  function logTicks(figure) {
    const values = figure.data.flatMap((trace) => trace.y).filter((y) => y > 0);
    const decades = Math.log10(values.reduce((a, b) => Math.max(a, b)) / values.reduce((a, b) => Math.min(a, b)));
    return decades > 3 ? Math.ceil(decades / 5) : "D2";
  }

  /* The layout of a figure in the colours of the page as they are now. */
  function dressed(figure) {
    const { layout } = figure;
    const rows = layout.showlegend ? Math.ceil(figure.data.filter((trace) => trace.showlegend !== false).length / 2) : 0;
    const axis = { gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line"), tickcolor: colour("line") };
    return {
      ...layout,
      autosize: true,
      height: 270 + 20 * Math.min(rows, 8),
      margin: { l: 52, r: 12, t: 8, b: 36 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("quiet") },
      dragmode: touch.matches ? false : "zoom",
      hovermode: "closest",
      hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line"), font: { color: colour("ink") }, align: "left" },
      legend: { orientation: "h", x: 0, y: -0.16, yanchor: "top", font: { color: colour("ink") } },
      xaxis: { ...layout.xaxis, ...axis, tickformat: "~s", zeroline: false, nticks: 6 },
      yaxis: { ...layout.yaxis, ...axis, tickformat: "~g", zeroline: false, nticks: 6, automargin: true, dtick: layout.yaxis.type === "log" ? logTicks(figure) : null },
      shapes: (layout.shapes || []).map((shape) => ({ ...shape, line: { ...shape.line, color: shape.line.color || colour(MARKS[shape.name]) } })),
    };
  }

  /* A table of the curves' numbers: a row for every step. */
  function table(figure) {
    const curves = figure.data.filter((trace) => trace.meta && trace.meta.name);
    const rows = new Map();
    curves.forEach((trace, column) => trace.x.forEach((step, i) => {
      if (!rows.has(step)) rows.set(step, curves.map(() => []));
      rows.get(step)[column].push(trace.y[i] === null ? "not finite" : String(trace.y[i]));
    }));
    const made = document.createElement("table");
    const line = (parent, kind, texts) => {
      const row = parent.insertRow();
      texts.forEach((text, i) => {
        const cell = document.createElement(kind === "head" || i === 0 ? "th" : "td");
        cell.scope = kind === "head" ? "col" : "row";
        cell.textContent = text;
        row.append(cell);
      });
    };
    line(made.createTHead(), "head", ["step", ...curves.map((trace) => trace.meta.name)]);
    const body = made.createTBody();
    [...rows.keys()].sort((a, b) => a - b).forEach((step) => {
      line(body, "body", [step.toLocaleString("en"), ...rows.get(step).map((values) => values.join(", "))]);
    });
    return made;
  }

  function draw(chart) {
    const { figure } = data.charts[Number(chart.dataset.chart)];
    const plot = chart.querySelector(".plot");
    Plotly.newPlot(plot, figure.data, dressed(figure), CONFIG);
    const dress = () => Plotly.relayout(plot, dressed(figure));
    dark.addEventListener("change", dress);
    const log = chart.querySelector(".log");
    if (log) log.addEventListener("click", () => {
      const on = log.getAttribute("aria-pressed") !== "true";
      log.setAttribute("aria-pressed", String(on));
      figure.layout.yaxis = { ...figure.layout.yaxis, type: on ? "log" : "linear" };
      dress();
    });
    const numbers = chart.querySelector(".numbers");
    numbers.addEventListener("toggle", () => {
      const place = numbers.querySelector(".wide");
      if (numbers.open && !place.firstChild) place.append(table(figure));
    });
  }

  document.querySelectorAll(".chart").forEach((chart) => {
    const more = chart.closest(".more"); // Plotly cannot measure what is folded away
    if (more) more.addEventListener("toggle", () => draw(chart), { once: true });
    else draw(chart);
  });

  document.querySelectorAll(".grids").forEach((figure) => {
    const { labels, alts, pictures } = data.sliders[Number(figure.dataset.run)];
    const slider = figure.querySelector("input[type=range]");
    if (!slider) return;
    const image = figure.querySelector("img.grid");
    const label = figure.querySelector("output");
    const play = figure.querySelector(".play");
    const best = figure.querySelector(".to-best");
    const decoded = pictures.map((uri) => { const one = new Image(); one.src = uri; return one; });
    let timer = 0;
    const show = (at) => {
      slider.value = String(at);
      slider.setAttribute("aria-valuetext", labels[at]);
      image.src = decoded[at].src;
      image.alt = alts[at];
      label.textContent = labels[at];
    };
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    };
    const start = () => {
      if (Number(slider.value) === labels.length - 1) show(0);
      timer = setInterval(() => {
        const next = Number(slider.value) + 1;
        if (next < labels.length) show(next);
        if (next >= labels.length - 1) stop();
      }, Math.max(150, Math.min(600, 6000 / labels.length)));
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
    };
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    play.addEventListener("click", () => (timer ? stop() : start()));
    if (best) best.addEventListener("click", () => { stop(); show(Number(best.dataset.at)); });
  });

  document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("pre");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text); // where a page may not write to the clipboard
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }));
})();
