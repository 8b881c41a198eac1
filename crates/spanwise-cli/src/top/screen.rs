//! The screen: what is where.

use super::history::{History, Rates};
use super::model::{Destination, Fill, Model, Problem, Redaction};
use super::palette::Palette;
use super::{units, waterfall};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, RenderDirection, Sparkline, Widget};

/// All that a frame shows.
pub(super) struct Screen<'a> {
    pub(super) address: &'a str,
    pub(super) history: &'a History,
    /// The reason why there is no newer answer.
    pub(super) problem: Option<&'a str>,
    pub(super) palette: Palette,
}

impl Widget for &Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let empty = Model::default();
        let model = self.history.last().unwrap_or(&empty);
        let shown = u16::try_from(model.problems.len()).unwrap_or(u16::MAX);
        let max = if area.height < TALL { 1 } else { 5 };
        let parts = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(4),
            Constraint::Length(7 + model.spans.further_rows() + redaction_rows(model)),
            Constraint::Length(2),
            Constraint::Length(3),
            Constraint::Length(if shown > 0 { shown.min(max) + 1 } else { 0 }),
            Constraint::Min(0),
            Constraint::Length(1),
        ]);
        let [title, rates, counts, fills, export, problems, traces, keys] = parts.areas(area);
        self.title(model).render(title, buffer);
        self.rates(rates, buffer);
        self.counts(model, counts, buffer);
        self.fills(model, fills, buffer);
        self.export(model, export, buffer);
        self.problems(model, problems, buffer);
        let lines = waterfall::lines(
            &model.traces,
            traces.width,
            traces.height.saturating_sub(1),
            self.palette,
        );
        self.block("Newest traces").render(traces, buffer);
        Paragraph::new(lines).render(below_title(traces), buffer);
        self.keys(model).render(keys, buffer);
    }
}

impl Screen<'_> {
    fn block(&self, title: &str) -> Block<'static> {
        let title = format!("{title} ");
        Block::new().borders(Borders::TOP).border_style(self.palette.faint).title(title)
    }

    fn title(&self, model: &Model) -> Paragraph<'_> {
        let state = if model.state == "running" { self.palette.good } else { self.palette.bad };
        let name = if model.service.is_empty() { "no service name" } else { &model.service };
        let mut words = vec![Span::styled(format!("spanwise top  {name}"), self.palette.strong)];
        if self.history.last().is_some() {
            words.push(Span::raw("  "));
            words.push(Span::styled(model.state.replace('_', " "), state));
            words.push(Span::raw(format!("  up {}", units::age(model.uptime))));
        }
        words.push(Span::styled(format!("  {}", self.address), self.palette.faint));
        Paragraph::new(Line::from(words))
    }

    fn rates(&self, area: Rect, buffer: &mut Buffer) {
        let title = match self.history.rates() {
            Some(rates) => format!("Spans created per second: {}", units::count(rates.created)),
            None => "Spans created per second".to_owned(),
        };
        let values: Vec<u64> = self.history.created(usize::from(area.width)).collect();
        let block = self.block(&title);
        let line = Sparkline::default()
            .block(block)
            .data(&values)
            .direction(RenderDirection::RightToLeft)
            .style(self.palette.accent);
        line.render(area, buffer);
    }

    /// Outcomes on the left, the reasons of losses on the right.
    fn counts(&self, model: &Model, area: Rect, buffer: &mut Buffer) {
        let [left, right] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(area);
        let rates = self.history.rates();
        let spans = &model.spans;
        let rate = |of: fn(&Rates) -> f64| {
            rates.map(|rates| format!("{}/s", units::count(of(&rates)))).unwrap_or_default()
        };
        let row = |name: &str, count: u64, rate: String| {
            let width = 26_usize.saturating_sub(name.len().max(12));
            format!("{name:<12}{count:>width$}  {rate:>9}")
        };
        let lost = if spans.dropped > 0 { self.palette.bad } else { self.palette.plain };
        let mut lines = vec![
            Line::raw(row("created", spans.created, rate(|it| it.created))),
            Line::raw(row("sampled out", spans.sampled_out, rate(|it| it.sampled_out))),
            Line::raw(row("exported", spans.exported, rate(|it| it.exported))),
            Line::styled(row("dropped", spans.dropped, rate(|it| it.dropped)), lost),
            Line::raw(row("in flight", spans.in_flight, String::new())),
            Line::raw(cpu(model)),
        ];
        // A row with tail sampling alone, without which the rows above would not add up to the created spans.
        if spans.tail_not_sampled > 0 {
            let text = row(TAIL, spans.tail_not_sampled, rate(|it| it.tail_not_sampled));
            lines.insert(2, Line::raw(text));
        }
        // As well for a spool.
        if spans.spooled > 0 {
            let text = row("on disk", spans.spooled, String::new());
            lines.insert(lines.len() - 2, Line::raw(text));
        }
        if spans.recovered > 0 {
            lines.insert(1, Line::raw(row("recovered", spans.recovered, String::new())));
        }
        if let Some(Redaction { values, failures }) = model.redaction {
            let (style, failed) = match failures {
                0 => (self.palette.plain, String::new()),
                _ => (self.palette.bad, format!("{} failed", units::count(failures as f64))),
            };
            let text = row("redacted", values, failed);
            lines.insert(lines.len() - 1, Line::styled(text, style));
        }
        self.block("Spans").render(left, buffer);
        Paragraph::new(lines).render(below_title(left), buffer);
        self.block("Dropped by reason").render(right, buffer);
        Paragraph::new(self.reasons(model)).render(below_title(right), buffer);
    }

    fn reasons(&self, model: &Model) -> Vec<Line<'_>> {
        let reasons = &model.spans.reasons;
        if reasons.is_empty() {
            return vec![Line::styled("none", self.palette.good)];
        }
        let row = |(name, count): &(String, u64)| {
            let rate = self.history.dropped(name).map(|rate| format!("{}/s", units::count(rate)));
            format!("{name:<20}{count:>10} {:>8}", rate.unwrap_or_default())
        };
        let mut lines: Vec<Line<'_>> = reasons
            .iter()
            .take(REASONS)
            .map(|it| Line::styled(row(it), self.palette.bad))
            .collect();
        if let Some(rest @ [_, _, ..]) = reasons.get(REASONS - 1..) {
            let spans = rest.iter().fold(0_u64, |sum, (_, spans)| sum.saturating_add(*spans));
            lines.pop();
            lines.push(Line::styled(
                row(&(format!("{} more", rest.len()), spans)),
                self.palette.bad,
            ));
        }
        lines
    }

    fn fills(&self, model: &Model, area: Rect, buffer: &mut Buffer) {
        let [budget, queue] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
        let peak = model.peak_bytes.map(|peak| format!(", peak {}", units::bytes(peak)));
        self.fill(("budget", model.budget, peak), budget, buffer);
        let spans = model.queue_spans.map(|spans| format!(", {spans} spans"));
        self.fill(("queue", model.queue, spans), queue, buffer);
    }

    /// A name, its bar, and the bytes with more of them.
    fn fill(&self, of: (&str, Fill, Option<String>), area: Rect, buffer: &mut Buffer) {
        let (name, fill, more) = of;
        let parts = [Constraint::Length(12), Constraint::Fill(1), Constraint::Length(40)];
        let [left, bar, right] = Layout::horizontal(parts).areas(area);
        Line::raw(name).render(left, buffer);
        let bytes = |bytes: Option<u64>| bytes.map_or("-".to_owned(), units::bytes);
        let more = more.unwrap_or_default();
        let text = format!(" {} of {}{more}", bytes(fill.used), bytes(fill.limit));
        Line::raw(text).render(right, buffer);
        if let Some(ratio) = fill.ratio() {
            self.bar(ratio, usize::from(bar.width)).render(bar, buffer);
        }
    }

    fn bar(&self, ratio: f64, columns: usize) -> Line<'static> {
        let style = if ratio > NEAR_FULL { self.palette.bad } else { self.palette.accent };
        let columns = columns.saturating_sub(PERCENT);
        let filled = ((ratio * columns as f64).round() as usize).min(columns);
        Line::from_iter([
            Span::styled("█".repeat(filled), style),
            Span::styled("░".repeat(columns - filled), self.palette.faint),
            Span::raw(format!("{:>PERCENT$}", format!("{:.0} %", ratio * 100.0))),
        ])
    }

    fn export(&self, model: &Model, area: Rect, buffer: &mut Buffer) {
        let exporter = &model.exporter;
        let mut words = Vec::new();
        for (name, time) in [("p50", exporter.p50), ("p99", exporter.p99)] {
            words.extend(time.map(|time| format!("{name} {}", units::time(time))));
        }
        for (name, count) in [
            ("requests", exporter.requests),
            ("retries", exporter.retries),
            ("connections", exporter.connections),
        ] {
            words.extend(count.map(|count| format!("{} {name}", units::count(count as f64))));
        }
        self.block("Export").render(area, buffer);
        let mut lines = vec![Line::raw(words.join("  "))];
        for Destination { endpoint, exported, dropped, last_failure } in &model.destinations {
            lines.push(match last_failure {
                // A failure of an attempt begins with its endpoint.
                Some(failure) if failure.starts_with(endpoint.as_str()) => {
                    Line::styled(failure.clone(), self.palette.bad)
                }
                Some(failure) => Line::styled(format!("{endpoint}: {failure}"), self.palette.bad),
                None => Line::raw(format!("{endpoint}: {exported} exported, {dropped} dropped")),
            });
        }
        Paragraph::new(lines).render(below_title(area), buffer);
    }

    fn problems(&self, model: &Model, area: Rect, buffer: &mut Buffer) {
        let line = |problem: &Problem| {
            let Problem { age, level, message } = problem;
            Line::styled(
                format!("{:>9} ago  {level}: {message}", units::age(*age)),
                self.palette.bad,
            )
        };
        self.block("Last errors").render(area, buffer);
        let lines: Vec<Line<'_>> = model.problems.iter().map(line).collect();
        Paragraph::new(lines).render(below_title(area), buffer);
    }

    /// The keys, or the problem that the user has to know first.
    fn keys(&self, model: &Model) -> Line<'_> {
        match self.problem {
            Some(problem) => Line::styled(problem.to_owned(), self.palette.bad),
            None => {
                Line::styled(format!("q quits  sampler: {}", model.sampler), self.palette.faint)
            }
        }
    }
}

/// The row of the values that rules changed.
fn redaction_rows(model: &Model) -> u16 {
    u16::from(model.redaction.is_some())
}

/// The CPU time of tracing, of a core.
fn cpu(model: &Model) -> String {
    let percent = |percent: Option<f64>| percent.filter(|percent| (0.0..1e6).contains(percent));
    let Some(sdk) = percent(model.sdk_cpu) else { return String::new() };
    let exporter = percent(model.exporter_cpu).map(|it| format!(", exporter {it:.1} %"));
    format!("{:<12}{sdk:.1} %{}", "CPU", exporter.unwrap_or_default())
}

fn below_title(area: Rect) -> Rect {
    Rect {
        y: area.y.saturating_add(1).min(area.bottom()),
        height: area.height.saturating_sub(1),
        ..area
    }
}

/// The row of spans that tail sampling left out, as the live page has it.
const TAIL: &str = "tail: not sampled";
/// Rows of a terminal that has place for more errors.
const TALL: u16 = 30;
/// Rows of reasons.
const REASONS: usize = 6;
/// Columns of the number beside a bar.
const PERCENT: usize = 6;
/// The fill of the alert `QueueNearFull`.
const NEAR_FULL: f64 = 0.9;
