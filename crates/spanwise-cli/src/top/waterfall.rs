//! Traces as lines: the name of a span, its bar and its duration.

use super::palette::Palette;
use super::traces::{Bar, Trace};
use super::units;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// The lines of as many traces as `height` has place for, the first one in any case.
pub(super) fn lines(
    traces: &[Trace],
    width: u16,
    height: u16,
    palette: Palette,
) -> Vec<Line<'static>> {
    let height = usize::from(height);
    let mut lines = Vec::new();
    for trace in traces {
        let needed = trace.spans.len() + 1;
        if !lines.is_empty() && lines.len() + needed > height {
            break;
        }
        let head = format!("{}  {}", trace.id, units::time(trace.duration));
        lines.push(Line::styled(head, palette.strong));
        lines.extend(trace.spans.iter().map(|span| line(span, trace.duration, width, palette)));
    }
    if traces.is_empty() {
        lines.push(Line::styled("none yet", palette.faint));
    }
    lines.truncate(height);
    lines
}

fn line(span: &Bar, whole: Duration, width: u16, palette: Palette) -> Line<'static> {
    let columns = usize::from(width).saturating_sub(NAME + TIME).max(1);
    let name = fitted(&format!(
        "{}{}{}",
        "  ".repeat(span.depth.min(MAX_DEPTH)),
        span.name,
        if span.is_error { " !" } else { "" }
    ));
    let (before, bar) = place(span, whole, columns);
    let style = if span.is_error { palette.bad } else { palette.accent };
    Line::from(vec![
        Span::raw(name),
        Span::raw(" ".repeat(before)),
        Span::styled("━".repeat(bar), style),
        Span::raw(" ".repeat(columns.saturating_sub(before + bar))),
        Span::raw(format!("{:>TIME$}", units::time(span.duration))),
    ])
}

/// The columns before a bar and its own, at least one.
fn place(span: &Bar, whole: Duration, columns: usize) -> (usize, usize) {
    let whole = whole.as_secs_f64().max(f64::MIN_POSITIVE);
    let column = |time: Duration| (time.as_secs_f64() / whole * columns as f64).round() as usize;
    let before = column(span.start).min(columns.saturating_sub(1));
    let end = column(span.start.saturating_add(span.duration)).min(columns);
    (before, end.saturating_sub(before).max(1))
}

/// `name` in as many columns as all names have: some letters take two.
fn fitted(name: &str) -> String {
    let mut fitted = String::new();
    let mut columns = 0;
    for letter in name.chars() {
        let width = Span::raw(letter.to_string()).width();
        if columns + width >= NAME {
            break;
        }
        columns += width;
        fitted.push(letter);
    }
    fitted + &" ".repeat(NAME - columns)
}

/// Columns of a name.
const NAME: usize = 28;
/// Columns of a duration.
const TIME: usize = 9;
const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, depth: usize, start: u64, duration: u64) -> Bar {
        let (start, duration) = (Duration::from_millis(start), Duration::from_millis(duration));
        Bar { name: name.to_owned(), depth, start, duration, is_error: false }
    }

    #[test]
    fn a_bar_is_where_its_span_was() {
        let whole = Duration::from_millis(100);
        assert_eq!(place(&bar("", 0, 0, 100), whole, 40), (0, 40));
        assert_eq!(place(&bar("", 0, 50, 25), whole, 40), (20, 10));
        assert_eq!(place(&bar("", 0, 100, 0), whole, 40), (39, 1));
        assert_eq!(place(&bar("", 0, 0, 0), Duration::ZERO, 40), (0, 1));
        assert_eq!(place(&bar("", 0, 0, 0), Duration::ZERO, 1), (0, 1));
    }

    #[test]
    fn a_trace_that_does_not_fit_is_left_out_but_the_first() {
        let trace = Trace {
            id: "ab".to_owned(),
            spans: vec![bar("a", 0, 0, 1), bar("b", 1, 0, 1)],
            ..Trace::default()
        };
        let traces = vec![trace; 3];
        let count = |height| lines(&traces, 80, height, Palette::monochrome()).len();
        assert_eq!(
            [count(0), count(2), count(3), count(5), count(6), count(99)],
            [0, 2, 3, 3, 6, 9]
        );
    }

    #[test]
    fn wide_letters_take_two_columns() {
        for name in [
            "a",
            "日本語日本語日本語日本語日本語日本語",
            "GET /a/very/long/route/with/{id}/and/more",
        ] {
            assert_eq!(Line::raw(fitted(name)).width(), NAME, "{name}");
        }
    }
}
