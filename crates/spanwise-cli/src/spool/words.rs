//! Numbers, names and tables in words.

use spanwise_spool::{IndexState, SegmentState};

/// Bytes with a binary prefix, such as `1.5 MiB`.
pub(super) fn bytes(value: u64) -> String {
    let mut scaled = value as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if scaled < 1023.95 {
            return match unit {
                "B" => format!("{value} B"),
                _ => format!("{scaled:.1} {unit}"),
            };
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1} TiB")
}

/// `part` of `whole`, such as `8.1 %`.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "0.0 %".to_owned(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    }
}

/// `1 span`, `2 spans`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Text of a process, without characters that control a terminal.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\'' | '"' | '\\' => printable.push(letter),
            other => printable.extend(other.escape_debug()),
        }
    }
    printable
}

/// The name of a service; a resource may have none.
pub(super) fn service(name: &str) -> String {
    match name {
        "" => "(no service.name)".to_owned(),
        name => printable(name),
    }
}

pub(super) fn state(state: &SegmentState) -> &'static str {
    match state {
        SegmentState::Complete => "complete",
        SegmentState::Open => "open",
        SegmentState::Damaged => "damaged",
        SegmentState::Unsupported { .. } => "unsupported",
        SegmentState::Unreadable { .. } => "unreadable",
        _ => "other",
    }
}

pub(super) fn index(index: &IndexState) -> &'static str {
    match index {
        IndexState::Missing => "missing",
        IndexState::Usable { .. } => "usable",
        IndexState::Unusable { .. } => "unusable",
        _ => "other",
    }
}

/// Rows as columns of equal width, the last one as it is.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(
            [0, 1023, 1024, 1536, 1 << 20].map(bytes).join(", "),
            "0 B, 1023 B, 1.0 KiB, 1.5 KiB, 1.0 MiB"
        );
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!((bytes(3 << 40), bytes(u64::MAX)), ("3.0 TiB".into(), "16777216.0 TiB".into()));
        assert_eq!((percent(1, 3), percent(0, 0)), ("33.3 %".into(), "0.0 %".into()));
        assert_eq!((count(1, "span"), count(2, "span")), ("1 span".into(), "2 spans".into()));
        assert_eq!(printable("a\u{1b}[31m'é"), "a\\u{1b}[31m'é");
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }
}
