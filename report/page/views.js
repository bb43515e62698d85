// What each chart shows of the chosen days: rows for its table, rows for its picture
// (the same, unless it says otherwise), and what the reader has to know of them.
//
// A view is a function of the warehouse's answers (rows by question, of one project) and
// of what was chosen: { from, to } as yyyy-mm-dd, and the chart's own choices.

const MOST_BARS = 12;
const MOST_COHORTS = 24;
// What the page holds of pages and elements, which are many: three months.
const MOST_PAGE_DAYS = 92;

const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const money = new Intl.NumberFormat("en", {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const rate = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const day = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});

const FORMATS = {
  text: (value) => value,
  date: (value) => day.format(new Date(value)),
  count: (value) => count.format(value),
  decimal: (value) => decimal.format(value),
  money: (value) => money.format(value),
  // Without hundredths where they say nothing.
  amount: (value) => (Math.abs(value) < 1000 ? money : count).format(value),
  rate: (value) => rate.format(value),
  flag: (value) => (value ? "yes" : "no"),
};

function duration(seconds) {
  const units = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  for (const [length, unit] of units) {
    if (seconds >= length) return `${tenth.format(seconds / length)} ${unit}`;
  }
  return `${tenth.format(seconds)} s`;
}

// ---- Days

function shift(date, days) {
  const moved = new Date(date);
  moved.setUTCDate(moved.getUTCDate() + days);
  return moved.toISOString().slice(0, 10);
}

function lastDay(started, period) {
  if (period === "day") return started;
  if (period === "week") return shift(started, 6);
  const next = new Date(started);
  next.setUTCMonth(next.getUTCMonth() + 1);
  return shift(next.toISOString().slice(0, 10), -1);
}

function during(rows, name, { from, to }) {
  return rows
    .filter((row) => row[name] >= from && row[name] <= to)
    .map((row) => ({ ...row, date: row[name] }));
}

// Periods that share a day with the chosen ones.
function overlapping(rows, name, { from, to }, period) {
  return rows
    .filter((row) => row.period === period)
    .filter((row) => row[name] <= to && lastDay(row[name], period) >= from)
    .map((row) => ({ ...row, date: row[name] }));
}

// ---- Adding up

const total = (rows, name) => rows.reduce((sum, row) => sum + (row[name] ?? 0), 0);
const ratio = (part, whole) => (whole ? part / whole : null);

function groups(rows, ...names) {
  const found = new Map();
  for (const row of rows) {
    const key = JSON.stringify(names.map((name) => row[name]));
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(row);
  }
  return [...found.values()];
}

// One row a group: what it is named by, and its sums.
function sums(rows, names, measures) {
  return groups(rows, ...names).map((group) => ({
    ...Object.fromEntries(names.map((name) => [name, group[0][name]])),
    ...Object.fromEntries(measures.map((measure) => [measure, total(group, measure)])),
  }));
}

// The rows with their part of the whole, and both in words for a bar.
function shares(rows, measure) {
  const whole = total(rows, measure);
  return rows.map((row) => {
    const part = ratio(row[measure], whole);
    const text = part === null ? "" : `${count.format(row[measure])} · ${rate.format(part)}`;
    return { ...row, rate: part, text };
  });
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// The greatest first, the rest last; equals by their names.
const descending = (name) => (a, b) =>
  a.is_rest - b.is_rest ||
  b[name] - a[name] ||
  compare(a.label, b.label) ||
  compare(a.page, b.page);

// The longest bars, each with its place; the table has the others.
function longest(rows, what) {
  const named = rows.filter((row) => !row.is_rest);
  const picture = named.slice(0, MOST_BARS).map((row, place) => ({ ...row, place }));
  const notes = [];
  if (named.length > MOST_BARS) {
    notes.push(`The first ${MOST_BARS} of ${named.length} ${what}; all are in the table.`);
  }
  if (named.length < rows.length) {
    notes.push(
      `Only the top ${what} of three months are shown one by one; the table ends with the others together.`,
    );
  }
  return { picture, notes };
}

// ---- Names

function pageNamer(rows) {
  const domains = new Set(rows.map((row) => row.page_domain).filter(Boolean));
  return ({ page_domain, page_path }) =>
    `${domains.size > 1 && page_domain ? page_domain : ""}${page_path ?? ""}` || "(no page)";
}

const SIGNS = {
  "rage clicks": "rage_click_count",
  "dead clicks": "dead_click_count",
  "error clicks": "error_click_count",
  "thrashed cursors": "thrashed_cursor_count",
  "repeat clicks": "repeat_click_count",
};

// The rows of the newest week or month that the chosen days reach.
function newest(rows, chosen) {
  const found = overlapping(rows, "period_started_date", chosen, chosen.period);
  const last = found.reduce((date, row) => (row.date > date ? row.date : date), "");
  return found.filter(({ date }) => date === last);
}

const startOf = ([{ date }], { period }) =>
  `${period === "week" ? "Week" : "Month"} from ${FORMATS.date(date)}.`;

// oxlint-disable-next-line no-unused-vars -- page.js shows them
const VIEWS = {
  active_users({ active_users }, chosen) {
    const table = during(active_users, "active_date", chosen);
    const series = [
      ["on the day", "daily_active_user_count", "is_complete"],
      ["in 7 days", "weekly_active_user_count", "has_whole_week"],
      ["in 30 days", "monthly_active_user_count", "has_whole_month"],
    ];
    const picture = series.flatMap(([name, measure, whole]) =>
      table.map((row) => ({
        date: row.date,
        series: name,
        user_count: row[measure],
        is_whole: row[whole],
      })),
    );
    return { table, picture };
  },

  daily_monthly({ active_users }, chosen) {
    const table = during(active_users, "active_date", chosen)
      .filter((row) => row.daily_monthly_rate !== null)
      .map((row) => ({ ...row, is_whole: row.has_whole_month }));
    return { table };
  },

  active_days({ stickiness }, chosen) {
    const rows = overlapping(stickiness, "period_started_date", chosen, chosen.period);
    const table = sums(rows, ["active_day_number"], ["cumulative_user_count", "active_user_count"])
      .sort((a, b) => a.active_day_number - b.active_day_number)
      .map((row) => ({
        ...row,
        cumulative_rate: ratio(row.cumulative_user_count, row.active_user_count),
      }));
    return {
      table: table.some((row) => row.active_user_count) ? table : [],
      notes: partial(rows, chosen),
    };
  },

  // All cohorts together only where the period is over for everyone.
  retention({ retention }, chosen) {
    const rows = overlapping(retention, "cohort_date", chosen, chosen.period).filter(
      (row) => row.basis === chosen.basis,
    );
    const returned =
      chosen.kind === "on" ? "returned_user_count" : "returned_on_or_after_user_count";
    const unit = { day: "Day", week: "Week", month: "Month" }[chosen.period];
    const cell = (cohort, row) => ({
      cohort,
      period: `${unit} ${row.period_number}`,
      returned_count: row[returned],
      cohort_user_count: row.cohort_user_count,
      rate: ratio(row[returned], row.cohort_user_count),
      is_mature: row.is_mature,
    });
    const cohorts = groups(rows, "cohort_date").sort((a, b) => (a[0].date < b[0].date ? -1 : 1));
    const mature = rows.filter((row) => row.is_mature);
    const all = sums(mature, ["period_number"], [returned, "cohort_user_count"])
      .sort((a, b) => a.period_number - b.period_number)
      .map((row) => cell("All", { ...row, is_mature: true }));
    const cells = (some) =>
      some.flatMap((cohort) =>
        cohort.map((row) =>
          cell(`${FORMATS.date(row.date)} · ${count.format(row.cohort_user_count)}`, row),
        ),
      );
    const notes =
      cohorts.length > MOST_COHORTS
        ? [
            `The last ${MOST_COHORTS} of ${cohorts.length} cohorts; “All” and the table have every one.`,
          ]
        : [];
    return {
      table: [...all, ...cells(cohorts)],
      picture: [...all, ...cells(cohorts.slice(-MOST_COHORTS))],
      notes,
    };
  },

  lifecycle({ lifecycle }, chosen) {
    const table = overlapping(lifecycle, "period_started_date", chosen, chosen.period);
    const picture = ["current", "new", "resurrected", "dormant"].flatMap((series) =>
      table.map((row) => ({
        date: row.date,
        series,
        user_count: row[`${series}_user_count`],
        signed_count: row[`${series}_user_count`] * (series === "dormant" ? -1 : 1),
        pulse: row.pulse,
      })),
    );
    return { table, picture, notes: partial(table, chosen) };
  },

  funnel({ funnels }, chosen) {
    const rows = during(funnels, "entered_date", chosen)
      .filter((row) => row.funnel === chosen.funnel)
      .map((row) => ({ ...row, seconds: (row.average_seconds ?? 0) * row.user_count }));
    const steps = sums(
      rows,
      ["step_number", "step"],
      ["user_count", "entered_user_count", "seconds"],
    ).sort((a, b) => a.step_number - b.step_number);
    const table = steps.map((row, place) => ({
      ...row,
      place,
      label: `${row.step_number}. ${row.step}`,
      conversion_rate: ratio(row.user_count, row.entered_user_count),
      step_conversion_rate: place ? ratio(row.user_count, steps[place - 1].user_count) : null,
      duration: place && row.user_count ? duration(row.seconds / row.user_count) : "",
    }));
    for (const row of table) {
      row.text = `${count.format(row.user_count)} · ${rate.format(row.conversion_rate ?? 0)}`;
    }
    const open = new Set(rows.filter((row) => !row.is_mature).map((row) => row.date));
    const notes = open.size
      ? [`Who entered on the last ${count.format(open.size)} of these days may still convert.`]
      : [];
    return { table: table.some((row) => row.entered_user_count) ? table : [], notes };
  },

  segments({ segments }, chosen) {
    const rows = newest(segments, chosen).filter(({ segment }) => segment === chosen.segment);
    const table = rows
      .map((row) => ({
        ...row,
        label: row.segment_value,
        text: `${rate.format(row.active_user_rate)} · ${count.format(row.active_user_count)}`,
      }))
      .sort(descending("active_user_count"));
    if (!table.length) return { table };
    const { picture, notes } = longest(table, "values");
    return { table, picture, notes: [startOf(table, chosen), ...notes, ...partial(table, chosen)] };
  },

  engagement({ engagement }, chosen) {
    const table = newest(engagement, chosen)
      .map((row) => ({ ...row, label: row.event_type ?? "(no name)" }))
      .sort(
        (a, b) =>
          b.user_count - a.user_count || b.event_count - a.event_count || compare(a.label, b.label),
      )
      .map((row) => ({
        ...row,
        text: `${rate.format(row.breadth_rate)} · ${tenth.format(row.average_event_count)} × each`,
      }));
    if (!table.length) return { table };
    const { picture, notes } = longest(table, "event types");
    const kinds = table[0].event_type_count;
    if (kinds > table.length)
      notes.push(`The ${table.length} most common of ${kinds} event types.`);
    return { table, picture, notes: [startOf(table, chosen), ...notes, ...partial(table, chosen)] };
  },

  pages({ pages }, chosen) {
    const table = pageRows(pages, chosen)
      .filter((row) => row.view_count)
      .sort(descending("view_count"))
      .map((row) => ({ ...row, text: count.format(row.view_count) }));
    const { picture, notes } = longest(table, "pages");
    return { table, picture, notes: [...coverage(pages, "viewed_date", chosen), ...notes] };
  },

  channels({ channels }, chosen) {
    const rows = during(channels, "attributed_date", chosen).filter(
      ({ touch }) => touch === chosen.touch,
    );
    const measures = ["session_count", "new_user_count", "revenue_event_count", "revenue"];
    const table = shares(
      sums(rows, ["channel"], measures).map((row) => ({ ...row, label: row.channel })),
      "session_count",
    ).sort(descending("session_count"));
    return { table, picture: table.map((row, place) => ({ ...row, place })) };
  },

  lateness({ lateness }, chosen) {
    const rows = during(lateness, "uploaded_date", chosen);
    const table = shares(
      sums(rows, ["delay_number", "delay"], ["event_count"])
        .sort((a, b) => a.delay_number - b.delay_number)
        .map((row) => ({ ...row, label: row.delay })),
      "event_count",
    );
    return { table, picture: table.map((row, place) => ({ ...row, place })) };
  },

  frustrated_sessions({ sessions }, chosen) {
    const table = during(sessions, "started_date", chosen).map((row) => ({
      ...row,
      rate: ratio(row.frustrated_session_count, row.session_count),
      is_whole: true,
    }));
    return { table };
  },

  frustrating_pages({ pages }, chosen) {
    const table = pageRows(pages, chosen)
      .filter((row) => row.frustrated_session_count)
      .sort(descending("frustrated_session_count"))
      .map((row) => {
        const share = ratio(row.frustrated_session_count, row.session_count);
        return {
          ...row,
          rate: share,
          text: `${count.format(row.frustrated_session_count)} · ${rate.format(share)}`,
        };
      });
    const { picture, notes } = longest(table, "pages");
    return { table, picture, notes: [...coverage(pages, "viewed_date", chosen), ...notes] };
  },

  frustrating_elements({ frustrations }, chosen) {
    const rows = during(frustrations, "frustrated_date", chosen);
    const nameOf = pageNamer(rows);
    const table = sums(
      rows,
      ["is_rest", "page_domain", "page_path", "element"],
      ["session_count", ...Object.values(SIGNS)],
    )
      .map((row) => ({
        ...row,
        label: row.is_rest ? "All other elements" : (row.element ?? "(no name)"),
        page: row.is_rest ? "" : nameOf(row),
      }))
      .sort(descending("session_count"));
    const { picture, notes } = longest(table, "elements");
    return {
      table,
      picture: picture.flatMap((row) =>
        Object.entries(SIGNS).map(([series, measure]) => ({
          place: row.place,
          label: `${row.label} · ${row.page}`,
          page: row.page,
          text: `${count.format(row.session_count)} sessions`,
          session_count: row.session_count,
          series,
          sign_count: row[measure],
        })),
      ),
      notes: [...coverage(frustrations, "frustrated_date", chosen), ...notes],
    };
  },

  daily_revenue({ revenue }, chosen) {
    const table = during(revenue, "revenue_date", chosen);
    return { table: table.some((row) => row.revenue_event_count) ? table : [] };
  },

  lifetime_value({ lifetime_values }, chosen) {
    const rows = during(lifetime_values, "cohort_date", chosen);
    const table = sums(rows, ["day_number"], ["revenue", "paid_user_count", "user_count"])
      .sort((a, b) => a.day_number - b.day_number)
      .map((row) => ({ ...row, lifetime_value: ratio(row.revenue, row.user_count) }));
    return { table: table.some((row) => row.revenue) ? table : [] };
  },
};

function pageRows(pages, chosen) {
  const rows = during(pages, "viewed_date", chosen);
  const nameOf = pageNamer(rows);
  const measures = [
    "view_count",
    "session_count",
    "entry_count",
    "exit_count",
    "bounce_count",
    "frustrated_session_count",
  ];
  return sums(rows, ["is_rest", "page_domain", "page_path"], measures).map((row) => ({
    ...row,
    label: row.is_rest ? "All other pages" : nameOf(row),
    bounce_rate: ratio(row.bounce_count, row.entry_count),
  }));
}

// ---- What the reader has to know

function coverage(rows, name, { from }) {
  const dates = [...new Set(rows.map((row) => row[name]))].sort();
  if (dates.length < MOST_PAGE_DAYS || dates[0] <= from) return [];
  return [`From ${FORMATS.date(dates[0])}: the page holds no older days of this.`];
}

function partial(rows, { period }) {
  const dates = new Set(rows.filter((row) => !row.is_complete).map((row) => row.date));
  if (!dates.size || !period) return [];
  const named = [...dates].sort().map(FORMATS.date);
  const some =
    named.length > 3 ? `${named.length} ${period}s` : `The ${period} from ${named.join(", ")}`;
  return [`${some}: not all of it is loaded.`];
}
