//! Spans below their parents.

use super::span::CollectedSpan;
use opentelemetry::trace::{SpanId, TraceId};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Sorts by start time; of equal times, parents before their children.
pub(super) fn sort(spans: &mut [CollectedSpan]) {
    spans.sort_by_key(CollectedSpan::start_time);
    let tie = |pair: &[CollectedSpan]| matches!(pair, [a, b] if a.start_time() == b.start_time());
    if !spans.windows(2).any(tie) {
        return;
    }
    // A child ends first, and so stands first where a clock is coarse or the program sets the times.
    let mut sorted: Vec<_> = spans.iter().map(|span| (0, span.clone())).collect();
    for (depth, index) in Forest::new(spans).lines() {
        if let Some((of_span, _)) = sorted.get_mut(index) {
            *of_span = depth;
        }
    }
    sorted.sort_by_key(|(depth, span)| (span.start_time(), *depth));
    for (place, (_, span)) in spans.iter_mut().zip(sorted) {
        *place = span;
    }
}

/// Spans, each with its children. No walk recurses: a trace may be a chain of any length.
pub(super) struct Forest<'a> {
    spans: &'a [CollectedSpan],
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Forest<'a> {
    /// A span without a parent among `spans` is a root.
    pub(super) fn new(spans: &'a [CollectedSpan]) -> Self {
        let key = |span: &CollectedSpan| (span.trace_id(), span.span_id());
        let known: HashMap<(TraceId, SpanId), usize> =
            spans.iter().enumerate().map(|(index, span)| (key(span), index)).collect();
        let mut forest = Self { spans, children: vec![Vec::new(); spans.len()], roots: Vec::new() };
        for (index, span) in spans.iter().enumerate() {
            let parent = span.parent_span_id();
            let parent = parent.and_then(|id| known.get(&(span.trace_id(), id)));
            match parent.and_then(|&parent| forest.children.get_mut(parent)) {
                Some(siblings) => siblings.push(index),
                None => forest.roots.push(index),
            }
        }
        forest
    }

    /// Depth and index of each span, parents first, by trace.
    fn lines(&self) -> Vec<(usize, usize)> {
        let mut lines = Vec::with_capacity(self.spans.len());
        let mut open: Vec<(usize, usize)> =
            self.roots.iter().rev().map(|&root| (0, root)).collect();
        while let Some((depth, index)) = open.pop() {
            lines.push((depth, index));
            let children = self.children.get(index).into_iter().flatten();
            open.extend(children.rev().map(|&child| (depth + 1, child)));
        }
        lines
    }

    /// All traces as text: a span a line, indented below its parent, with its events and links.
    pub(super) fn print(&self) -> String {
        let mut text = String::new();
        let mut trace = None;
        for (depth, index) in self.lines() {
            let Some(span) = self.spans.get(index) else { continue };
            if trace.replace(span.trace_id()) != Some(span.trace_id()) {
                let _infallible = writeln!(text, "trace {}", span.trace_id());
            }
            let missing = span.parent_span_id().filter(|_| depth == 0);
            let missing = missing.map(|id| format!(" (parent {id} was not collected)"));
            let indent = "  ".repeat(depth.min(MAX_INDENT) + 1);
            let description = format!("{span:?}");
            let mut lines = description.lines();
            let first = lines.next().unwrap_or_default();
            let _infallible = writeln!(text, "{indent}{first}{}", missing.unwrap_or_default());
            for line in lines {
                let _infallible = writeln!(text, "{indent}{line}");
            }
        }
        text
    }

    /// Whether the names form the trees that `expected` draws by indentation, siblings in any
    /// order.
    pub(super) fn has_shape(&self, expected: &str) -> bool {
        let names = |(depth, index): (usize, usize)| {
            (depth, self.spans.get(index).map_or("", |span| span.name().trim()))
        };
        let mut shapes = Shapes::default();
        let ours = shapes.of(&self.lines().into_iter().map(names).collect::<Vec<_>>());
        ours == shapes.of(&outline(expected))
    }
}

/// Levels that are printed as such: the text of a long chain would grow with the square of its
/// length.
const MAX_INDENT: usize = 100;

/// Depth and name of each line that is not blank.
fn outline(text: &str) -> Vec<(usize, &str)> {
    // Columns of the lines above that the next one may be below of.
    let mut open: Vec<usize> = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let column = line.len() - line.trim_start().len();
        while open.last().is_some_and(|&above| above >= column) {
            open.pop();
        }
        lines.push((open.len(), line.trim()));
        open.push(column);
    }
    lines
}

/// A number for each shape: a name and the shapes below it, in any order. Equal trees have equal
/// numbers.
#[derive(Default)]
struct Shapes(HashMap<(String, Vec<usize>), usize>);

impl Shapes {
    /// The shapes of the roots, sorted, of lines with parents first.
    fn of(&mut self, lines: &[(usize, &str)]) -> Vec<usize> {
        // From the end: children are complete before their parent. `levels[d]` has the shapes of
        // depth `d` whose parent is still to come.
        let mut levels: Vec<Vec<usize>> = vec![Vec::new()];
        for &(depth, name) in lines.iter().rev() {
            levels.resize(levels.len().max(depth + 2), Vec::new());
            let mut below = levels.get_mut(depth + 1).map(std::mem::take).unwrap_or_default();
            below.sort_unstable();
            let next = self.0.len();
            let shape = *self.0.entry((name.to_owned(), below)).or_insert(next);
            if let Some(level) = levels.get_mut(depth) {
                level.push(shape);
            }
        }
        let mut roots = levels.swap_remove(0);
        roots.sort_unstable();
        roots
    }
}
