//! The measurements as tables.

use super::measured::{Measured, Sample, Setup};
use crate::date;
use std::fmt::Write as _;

/// The tables as Markdown.
pub(super) fn render(measured: &Measured) -> String {
    let Measured { rows, seconds, rounds } = measured;
    let mut text = format!(
        "{}, medians of {rounds} runs of {seconds} s.\n\n\
         | spans a second | CPU: no compression, gzip, zstd | memory | bytes/s: no compression, gzip, zstd | lost |\n\
         |---|---|---|---|---|\n",
        date::today()
    );
    for row in rows {
        let setups = [Setup::Plain, Setup::Gzip, Setup::Zstd].map(|setup| row.traced(setup));
        let most = |number: fn(&Sample) -> f64| setups.iter().map(number).fold(0.0, f64::max);
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            grouped(row.rate),
            setups.map(|it| percent(it.cpu)).join(", "),
            mib(most(|it| it.memory)),
            setups.map(|it| bytes(it.wire)).join(", "),
            percent(most(|it| it.lost)),
        );
    }
    text.push_str(
        "\nWith the production preset, without compression:\n\n\
         | spans a second, sampled out ones included | exported, a second | CPU | memory | bytes/s | lost |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in rows {
        let it = row.traced(Setup::Production);
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            grouped(row.rate),
            grouped(it.exported.round() as u64),
            percent(it.cpu),
            mib(it.memory),
            bytes(it.wire),
            percent(it.lost),
        );
    }
    text
}

/// A number with a comma after thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(share: f64) -> String {
    match 100.0 * share {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "< 0.01 %".to_owned(),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.0} %"),
    }
}

fn mib(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}

fn bytes(number: f64) -> String {
    match number {
        number if number < 1e6 => format!("{:.0} kB", number / 1e3),
        number => format!("{:.1} MB", number / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::Row;
    use super::*;

    #[test]
    fn numbers_for_readers() {
        assert_eq!([7, 999, 1_000, 1_234_567].map(grouped), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 0.000_01, 0.0123, 0.25].map(percent),
            ["0 %", "< 0.01 %", "1.23 %", "25 %"]
        );
        assert_eq!([12_345.0, 3_450_000.0].map(bytes), ["12 kB", "3.5 MB"]);
    }

    #[test]
    fn each_rate_has_a_row_in_both_tables() {
        let rows = [1_000, 10_000].map(Row::new).into();
        let table = render(&Measured { rows, seconds: 1.0, rounds: 1 });
        for start in ["\n| 1,000 | ", "\n| 10,000 | "] {
            assert_eq!(table.matches(start).count(), 2, "{table}");
        }
    }
}
