//! The series and labels that an expression of PromQL reads.

use std::collections::BTreeSet;

/// The names in an expression.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) series: BTreeSet<String>,
    /// Labels in braces and after `by`, `without` and their like.
    pub(super) labels: BTreeSet<String>,
}

impl Names {
    /// Reads the names of an expression without subtleties: every word outside of braces and of lists of labels
    /// that is neither a function, a keyword nor a number is a series.
    pub(super) fn of(expression: &str) -> Self {
        let mut names = Self::default();
        let tokens = tokens(expression);
        let (mut in_braces, mut in_labels) = (false, false);
        for (index, token) in tokens.iter().enumerate() {
            let next = tokens.get(index + 1).map(String::as_str);
            let before = index.checked_sub(1).and_then(|before| tokens.get(before));
            match token.as_str() {
                "{" => in_braces = true,
                "}" => in_braces = false,
                "(" => {
                    in_labels = before.is_some_and(|word| GROUPING.contains(&word.as_str()));
                }
                ")" => in_labels = false,
                word if !is_word(word) || KEYWORDS.contains(&word) => {}
                word if GROUPING.contains(&word) => {}
                word if in_braces || in_labels => {
                    names.labels.insert(word.to_owned());
                }
                // A function or an aggregation, which may have its labels first.
                _ if next == Some("(") => {}
                _ if next.is_some_and(|word| GROUPING.contains(&word)) => {}
                word => {
                    names.series.insert(word.to_owned());
                }
            }
        }
        names
    }
}

/// Words and single characters; texts in quotes, durations in brackets and blanks are left out.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let end = match first {
            '"' | '\'' => after.find(first).map(|end| end + 2),
            '[' => after.find(']').map(|end| end + 2),
            c if is_part(c) => rest.find(|c| !is_part(c)),
            c => Some(c.len_utf8()),
        };
        let (token, remaining) = rest.split_at(end.unwrap_or(rest.len()));
        if !first.is_whitespace() && !['"', '\'', '['].contains(&first) {
            tokens.push(token.to_owned());
        }
        rest = remaining;
    }
    tokens
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const KEYWORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, series: &[&str], labels: &[&str]) {
        let names = Names::of(expression);
        let found: Vec<&str> = names.series.iter().map(String::as_str).collect();
        assert_eq!(found, series, "{expression}");
        let found: Vec<&str> = names.labels.iter().map(String::as_str).collect();
        assert_eq!(found, labels, "{expression}");
    }

    #[test]
    fn series_and_labels_are_found() {
        check("a > 10", &["a"], &[]);
        check("sum without (reason) (rate(a_total[5m])) > 1e3", &["a_total"], &["reason"]);
        check("sum(rate(a{x=\"b c\",y=~\"$d\"}[5m])) by (z)", &["a"], &["x", "y", "z"]);
        check("a{x!=\"\"} / on (x) b or c unless d offset 5m", &["a", "b", "c", "d"], &["x"]);
        check("histogram_quantile(0.99, sum by (le) (rate(a_bucket[$i])))", &["a_bucket"], &["le"]);
    }
}
