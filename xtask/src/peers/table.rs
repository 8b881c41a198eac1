//! The tables of a report.

use super::case::Case;
use std::fmt::Write as _;

/// Cases in Markdown: those of each security side by side, the others one below the other.
pub(super) fn of(cases: &[Case]) -> String {
    let mut text = String::new();
    for group in cases.chunk_by(|a, b| is_secured(a) == is_secured(b)) {
        match group.first().is_some_and(is_secured) {
            true => side_by_side(&mut text, group),
            false => one_below_the_other(&mut text, group),
        }
    }
    text
}

/// The names of securities, which are the last words of names.
const SECURITIES: [&str; 3] = ["plain", "tls", "mtls"];

fn is_secured(case: &Case) -> bool {
    split(case).is_some_and(|(_, last)| SECURITIES.contains(&last))
}

/// A name without its last word, and that word.
fn split(case: &Case) -> Option<(&str, &str)> {
    case.name.rsplit_once('/')
}

fn side_by_side(text: &mut String, cases: &[Case]) {
    text.push_str("\n| Case | plain | TLS | mutual TLS |\n|---|---|---|---|\n");
    for row in cases.chunk_by(|a, b| name(a) == name(b)) {
        let cell = |security| {
            let case = row.iter().find(|case| split(case).is_some_and(|(_, it)| it == security));
            case.map_or("-".to_owned(), |case| case.outcome.cell())
        };
        let cells = SECURITIES.map(cell).join(" | ");
        let _infallible = writeln!(text, "| `{}` | {cells} |", row.first().map_or("", name));
    }
}

/// The name of a row.
fn name(case: &Case) -> &str {
    split(case).map_or("", |(name, _)| name)
}

fn one_below_the_other(text: &mut String, cases: &[Case]) {
    text.push_str("\n| Case | Result |\n|---|---|\n");
    for case in cases {
        let _infallible = writeln!(text, "| `{}` | {} |", case.name, case.outcome.cell());
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::Outcome;
    use super::*;

    #[test]
    fn securities_are_columns() {
        let case = |name: &str, outcome| Case { name: name.to_owned(), outcome };
        let cases = [
            case("forward/grpc/gzip/plain", Outcome::Passed("a".to_owned())),
            case("forward/grpc/gzip/mtls", Outcome::Failed("b\n- c".to_owned())),
            case("forward/json/gzip/tls", Outcome::Passed("d".to_owned())),
            case("nginx/goaway", Outcome::Skipped("no | nginx".to_owned())),
        ];
        let expected = "\n| Case | plain | TLS | mutual TLS |\n|---|---|---|---|\n\
            | `forward/grpc/gzip` | a | - | **failed**: b |\n\
            | `forward/json/gzip` | - | d | - |\n\
            \n| Case | Result |\n|---|---|\n| `nginx/goaway` | skipped: no \\| nginx |\n";
        assert_eq!(of(&cases), expected);
    }
}
