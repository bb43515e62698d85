// Puts the views on the page: tiles, charts, tables; follows what the reader chooses.
//
// Names of events, pages and elements come from anyone who sends events. They become text
// (textContent, values of Vega), never markup, and never part of an expression.

const at = (id) => document.getElementById(id);
const settings = JSON.parse(at("settings").textContent);
const answers = Object.fromEntries(
  Object.entries(JSON.parse(at("answers").textContent)).map(([name, { columns, rows }]) => [
    name,
    rows.map((row) => Object.fromEntries(columns.map((column, place) => [column, row[place]]))),
  ]),
);

const chosen = { project: null, from: null, to: null };
const charts = new Map();

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const shown = (value, format) =>
  value === null || value === undefined || value === "" ? "–" : FORMATS[format](value);

function ofProject() {
  return Object.fromEntries(
    Object.entries(answers).map(([name, rows]) => [
      name,
      rows.filter((row) => row.project_id === chosen.project),
    ]),
  );
}

// ---- Days

// The first day of the last so many; "loaded": since the first upload hour, before which
// there is only what came late; "all": since the first event.
function beginning(days) {
  const { first_date, first_loaded_date, last_date } = settings.days[chosen.project];
  const start = { all: first_date, loaded: first_loaded_date }[days] ?? shift(last_date, 1 - days);
  return start < first_date ? first_date : start;
}

function showProject(project) {
  chosen.project = project;
  for (const state of document.querySelectorAll("[data-load]")) {
    state.hidden = state.dataset.load !== project;
  }
  const { first_date, last_date } = settings.days[project];
  for (const input of [at("from"), at("to")]) {
    input.min = first_date;
    input.max = last_date;
  }
}

function chooseProject(project) {
  showProject(project);
  const { last_date } = settings.days[project];
  const [recent, loaded] = [beginning(30), beginning("loaded")];
  return choose(loaded > recent ? loaded : recent, last_date);
}

function choose(from, to) {
  const { first_date, last_date } = settings.days[chosen.project];
  const within = (date) => (date < first_date ? first_date : date > last_date ? last_date : date);
  [chosen.from, chosen.to] = [within(from || first_date), within(to || last_date)].sort();
  at("from").value = chosen.from;
  at("to").value = chosen.to;
  const buttons = [...document.querySelectorAll("[data-days]")];
  const pressed = buttons.find(
    ({ dataset }) => chosen.to === last_date && chosen.from === beginning(dataset.days),
  );
  for (const button of buttons) button.setAttribute("aria-pressed", button === pressed);
  return show();
}

// ---- The age of the data

// By the reader's clock: a page that is left lying gets older too.
function showAge() {
  if (!settings.freshness) return;
  const { late_hours, stale_hours } = settings.freshness;
  for (const state of document.querySelectorAll("[data-until]")) {
    const hours = (Date.now() - Date.parse(state.dataset.until)) / 3_600_000;
    if (hours < late_hours) continue;
    state.classList.remove("good");
    state.classList.toggle("late", hours < stale_hours && !state.classList.contains("bad"));
    state.classList.toggle("bad", hours >= stale_hours || state.classList.contains("bad"));
    const age = hours < 72 ? `${count.format(hours)} hours` : `${count.format(hours / 24)} days`;
    const line = state.querySelector(".age");
    line.textContent = `The newest loaded hour ended ${age} ago; after ${count.format(late_hours)} hours a load is late.`;
    line.hidden = false;
  }
}

// ---- The address

// What was chosen stands in the address, so that a link shows the same view: days,
// project, the charts' own choices, and the section that a reader went to.
function remember(section) {
  const { from, to, project } = chosen;
  const view = new URLSearchParams({ from, to });
  if (settings.projects.length > 1) view.set("project", project);
  for (const select of document.querySelectorAll("figure select")) {
    if (select.selectedIndex) view.set(select.id, select.value);
  }
  const at_section = section ?? new URLSearchParams(location.hash.slice(1)).get("section");
  if (at_section) view.set("section", at_section);
  history.replaceState(null, "", `#${view}`);
}

const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? "") && !isNaN(new Date(text));

// Whether the address names a view. Values that the page does not have are ignored.
async function recall() {
  const view = new URLSearchParams(location.hash.slice(1));
  const [from, to] = [view.get("from"), view.get("to")];
  if (!isDay(from) || !isDay(to)) return false;
  const project = settings.projects.find((name) => name === view.get("project"));
  showProject(project ?? settings.projects[0]);
  if (at("project")) at("project").value = chosen.project;
  for (const select of document.querySelectorAll("figure select")) {
    const wanted = view.get(select.id);
    const option = [...select.options].find(({ value }) => value === wanted);
    select.value = (option ?? select.options[0])?.value ?? "";
  }
  await choose(from, to);
  const section = [...document.querySelectorAll("main > section[id]")].find(
    ({ id }) => id === view.get("section"),
  );
  section?.scrollIntoView();
  return true;
}

// ---- Tiles

function figures(project, days) {
  const last = during(project.active_users ?? [], "active_date", days).at(-1) ?? {};
  const sum = (name, date, measure) =>
    project[name]?.length ? total(during(project[name], date, days), measure) : null;
  const sessions = sum("sessions", "started_date", "session_count");
  const frustrated = sum("sessions", "started_date", "frustrated_session_count");
  return {
    active_users: last.daily_active_user_count,
    weekly_users: last.weekly_active_user_count,
    monthly_users: last.monthly_active_user_count,
    new_users: sum("active_users", "active_date", "new_user_count"),
    sessions,
    stickiness: last.daily_monthly_rate,
    frustrated_rate: ratio(frustrated, sessions),
    revenue: sum("revenue", "revenue_date", "revenue"),
    has_whole_week: last.has_whole_week,
    has_whole_month: last.has_whole_month,
  };
}

// As many days, the same days of the week: a Monday is compared with a Monday.
function daysBefore({ from, to }) {
  const length = 1 + Math.round((new Date(to) - new Date(from)) / 86_400_000);
  const weeks = Math.ceil(length / 7);
  return { from: shift(from, -7 * weeks), to: shift(to, -7 * weeks) };
}

// Only days that are all loaded can be compared.
const isWhole = (project, days) =>
  days.from >= settings.days[chosen.project].first_loaded_date &&
  during(project.active_users ?? [], "active_date", days).every((row) => row.is_complete);

function showTiles(project) {
  const days = daysBefore(chosen);
  const now = figures(project, chosen);
  const is_comparable = isWhole(project, days) && isWhole(project, chosen);
  const before = is_comparable ? figures(project, days) : {};
  const until = `to ${FORMATS.date(chosen.to)}`;
  const within = "in the chosen days";
  const tiles = [
    ["active_users", "Active users", "count", `on ${FORMATS.date(chosen.to)}`],
    [
      "weekly_users",
      "Active in 7 days",
      "count",
      now.has_whole_week ? until : "not all 7 days are loaded",
    ],
    [
      "monthly_users",
      "Active in 30 days",
      "count",
      now.has_whole_month ? until : "not all 30 days are loaded",
    ],
    [
      "stickiness",
      "Stickiness",
      "rate",
      now.has_whole_month
        ? "of the month’s users come on a day"
        : "too high: not all 30 days are loaded",
    ],
    ["new_users", "New users", "count", within],
    ["sessions", "Sessions", "count", within],
    ["frustrated_rate", "Sessions with trouble", "rate", within],
    ["revenue", "Revenue", "amount", within],
  ];
  at("tiles").replaceChildren(
    ...tiles
      .filter(([name]) => typeof now[name] === "number")
      .map(([name, label, format, note]) =>
        element(
          "div",
          { className: "tile", id: `tile-${name}` },
          element("dt", { textContent: label }),
          element("dd", { className: "value", textContent: shown(now[name], format) }),
          element("dd", {
            className: "note",
            textContent:
              (isWholeFigure(name, now, before) &&
                change(now[name], before[name], format, LAST_DAY[name], days)) ||
              note,
          }),
        ),
      ),
  );
}

// A figure of 7 or 30 days says little while some of them are not loaded.
function isWholeFigure(name, now, before) {
  const whole = { weekly_users: "has_whole_week", monthly_users: "has_whole_month" };
  const flag = { ...whole, stickiness: "has_whole_month" }[name];
  return !flag || (now[flag] && before[flag]);
}

// Figures of the last chosen day, or of the days that end with it.
const LAST_DAY = {
  active_users: "",
  weekly_users: "the 7 days to ",
  monthly_users: "the 30 days to ",
  stickiness: "",
};

function change(now, before, format, last_day, { from, to }) {
  if (!before) return null;
  const difference = format === "rate" ? (now - before) * 100 : now / before - 1;
  const size =
    format === "rate"
      ? `${tenth.format(Math.abs(difference))} points`
      : rate.format(Math.abs(difference));
  const sign = { 1: "▲ ", [-1]: "▼ " }[Math.sign(difference)] ?? "";
  const until = FORMATS.date(to);
  const what =
    last_day === undefined && from !== to
      ? `${FORMATS.date(from)} to ${until}`
      : `${last_day ?? ""}${until}`;
  return sign ? `${sign}${size} vs ${what}` : `same as ${what}`;
}

// ---- Charts

function choices(chart) {
  return Object.fromEntries(
    chart.choices.map(({ name }) => [name, at(`${chart.name}-${name}`).value]),
  );
}

async function draw(chart, project) {
  const {
    table,
    picture = table,
    notes = [],
  } = VIEWS[chart.name](project, {
    ...chosen,
    ...choices(chart),
  });
  const figure = at(chart.name);
  figure.classList.toggle("empty", !table.length);
  figure.querySelector(".notes").textContent = table.length ? notes.join(" ") : "";
  chart.rows = table;
  showTable(chart, figure);
  if (!table.length) return;
  if (charts.has(chart.name)) {
    const { view } = await charts.get(chart.name);
    await view.data("rows", picture).resize().runAsync();
    return;
  }
  chart.spec.data.find(({ name }) => name === "rows").values = picture;
  const embedded = vegaEmbed(figure.querySelector(".picture"), chart.spec, {
    actions: false,
    // Expressions are interpreted: the page forbids itself eval.
    ast: true,
    defaultStyle: false,
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
  });
  charts.set(chart.name, embedded);
  await embedded;
  // The picture has a label and its numbers a table; its marks have no names.
  figure.querySelector(".picture svg").setAttribute("aria-hidden", "true");
}

const numeric = (format) => !["text", "date", "flag"].includes(format);

function showTable(chart, figure) {
  const details = figure.querySelector(".numbers");
  if (!details.open) return;
  const body = chart.rows.map((row) =>
    element(
      "tr",
      {},
      ...chart.columns.map(({ name, format }, place) =>
        element(place ? "td" : "th", {
          textContent: shown(row[name], format),
          className: numeric(format) ? "number" : "",
          ...(place ? {} : { scope: "row" }),
        }),
      ),
    ),
  );
  details.querySelector("tbody").replaceChildren(...body);
}

// A spreadsheet runs a cell that begins like a formula, also with a full-width sign (to
// which NFKC gives its usual form) or behind spaces and invisible characters. Behind an
// apostrophe it is text.
const FORMULA = /^[\s\p{C}]*[=+\-@\u2212]|^[\t\r\n]/u;
function csvCell(value) {
  if (typeof value === "number") return String(value);
  const text = String(value ?? "");
  const safe = FORMULA.test(text.normalize("NFKC")) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function download(chart) {
  const lines = [
    chart.columns.map(({ title }) => csvCell(title)),
    ...chart.rows.map((row) => chart.columns.map(({ name }) => csvCell(row[name]))),
  ];
  const text = lines.map((cells) => cells.join(",") + "\r\n").join("");
  // Spreadsheets take a file for UTF-8 if it says so.
  const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  element("a", { href: url, download: `${chart.name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// A picture that is wider than its card scrolls, by keys too; others are no stop for Tab.
function letKeysScroll() {
  for (const frame of document.querySelectorAll(".scroll:has(.picture)"))
    if (frame.scrollWidth > frame.clientWidth) frame.tabIndex = 0;
    else frame.removeAttribute("tabindex");
}

async function show() {
  delete document.documentElement.dataset.drawn;
  const project = ofProject();
  showTiles(project);
  at("status").textContent = `${FORMATS.date(chosen.from)} to ${FORMATS.date(chosen.to)}`;
  // One after the other, so that the first ones are seen soon.
  for (const chart of settings.charts) await draw(chart, project);
  letKeysScroll();
  document.documentElement.dataset.drawn = "";
}

addEventListener("resize", letKeysScroll);

// ---- What the reader does

function listen() {
  at("project")?.addEventListener("change", async ({ target }) => {
    await chooseProject(target.value);
    remember();
  });
  for (const input of [at("from"), at("to")]) {
    input.addEventListener("change", async () => {
      await choose(at("from").value, at("to").value);
      remember();
    });
  }
  for (const link of document.querySelectorAll(".bar nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const section = link.getAttribute("href").slice(1);
      at(section).scrollIntoView();
      remember(section);
    });
  }
  addEventListener("hashchange", recall);
  for (const button of document.querySelectorAll("[data-days]")) {
    button.addEventListener("click", async () => {
      const { last_date } = settings.days[chosen.project];
      await choose(beginning(button.dataset.days), last_date);
      remember();
    });
  }
  for (const chart of settings.charts) {
    const figure = at(chart.name);
    for (const { name } of chart.choices) {
      at(`${chart.name}-${name}`).addEventListener("change", async () => {
        await draw(chart, ofProject());
        remember();
      });
    }
    figure.querySelector(".numbers").addEventListener("toggle", () => showTable(chart, figure));
    figure.querySelector(".download").addEventListener("click", () => download(chart));
  }
}

function fillChoices() {
  for (const chart of settings.charts) {
    for (const { name, options } of chart.choices) {
      if (Object.keys(options).length) continue;
      // In the order in which they are declared.
      const numbers = new Map(
        answers[chart.answer].map((row) => [row[name], row[`${name}_number`] ?? Infinity]),
      );
      const made = [...numbers.keys()]
        .sort((a, b) => compare(numbers.get(a), numbers.get(b)) || compare(a, b))
        .map((value) => element("option", { value, textContent: value }));
      at(`${chart.name}-${name}`).append(...made);
    }
  }
}

// Where a browser keeps nothing for files, each visit begins with the system's theme.
function keep(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// The system's theme, until the reader chooses one.
function followTheme() {
  const root = document.documentElement;
  const kept = keep("theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const label = () => at("theme").setAttribute("aria-pressed", isDark());
  at("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    keep("theme", root.dataset.theme);
    label();
  });
  dark.addEventListener("change", label);
  label();
}

followTheme();
showAge();
if (settings.projects.length) {
  fillChoices();
  listen();
  if (!(await recall())) chooseProject(settings.projects[0]);
} else {
  document.documentElement.dataset.drawn = "";
}
