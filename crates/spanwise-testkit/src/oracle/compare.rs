//! The comparison of two requests.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::{canonical, render};

/// Asserts that `a` and `b` have the same [`canonical`] form, whatever their order and grouping.
///
/// # Panics
/// With a diff, in which `-` marks lines of `a` and `+` lines of `b`.
#[track_caller]
#[expect(clippy::panic, reason = "an assertion")]
pub fn assert_same_spans(a: &ExportTraceServiceRequest, b: &ExportTraceServiceRequest) {
    if let Some(difference) = difference(a, b) {
        panic!("the spans differ (- left, + right):\n{difference}");
    }
}

/// The diff between two requests in [`canonical`] form, or `None` if they are equal.
///
/// Numbers are compared bit by bit: NaN equals itself, −0.0 does not equal 0.0.
pub fn difference(a: &ExportTraceServiceRequest, b: &ExportTraceServiceRequest) -> Option<String> {
    let (mut a, mut b) = (a.clone(), b.clone());
    canonical(&mut a);
    canonical(&mut b);
    if a.encode_to_vec() == b.encode_to_vec() {
        return None;
    }
    Some(diff(&render::lines(&a), &render::lines(&b)))
}

/// A line diff: exact for a few thousand lines, one block of each side beyond.
fn diff(a: &[String], b: &[String]) -> String {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a_rest, b_rest) = (&a[common..], &b[common..]);
    let tail = a_rest.iter().rev().zip(b_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a_rest, b_rest) = (&a_rest[..a_rest.len() - tail], &b_rest[..b_rest.len() - tail]);

    let mut out: Vec<String> = above(a, common).iter().map(|line| format!("  {line}")).collect();
    if a_rest.len().saturating_mul(b_rest.len()) <= EXACT_CELLS {
        out.extend(exact(a_rest, b_rest));
    } else {
        out.extend(a_rest.iter().map(|line| format!("- {line}")));
        out.extend(b_rest.iter().map(|line| format!("+ {line}")));
    }
    if out.len() > MAX_LINES {
        let more = out.len() - MAX_LINES;
        out.truncate(MAX_LINES);
        out.push(format!("… and {more} more lines"));
    }
    out.join("\n")
}

/// The parent lines of `line`, outermost first, so that a diff names its span.
fn above(lines: &[String], line: usize) -> Vec<&String> {
    let depth = |text: &String| text.len() - text.trim_start().len();
    let mut limit = lines.get(line).map_or(0, depth);
    let mut parents: Vec<&String> = Vec::new();
    for text in lines.get(..line).unwrap_or_default().iter().rev() {
        if depth(text) < limit {
            limit = depth(text);
            parents.push(text);
        }
    }
    parents.reverse();
    parents
}

/// The diff by longest common subsequence, with one common line before each change.
fn exact(a: &[String], b: &[String]) -> Vec<String> {
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut out, mut last) = (0, 0, Vec::new(), None);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            last = Some(format!("  {}", a[i]));
            (i, j) = (i + 1, j + 1);
        } else {
            out.extend(last.take());
            if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
                out.push(format!("- {}", a[i]));
                i += 1;
            } else {
                out.push(format!("+ {}", b[j]));
                j += 1;
            }
        }
    }
    out
}

const EXACT_CELLS: usize = 4_000_000;
const MAX_LINES: usize = 60;
