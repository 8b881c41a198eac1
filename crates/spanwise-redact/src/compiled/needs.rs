//! Conditions that every text with a match of an expression fulfils, so that most texts need no search.

use super::byte_set::ByteSet;
use regex_syntax::hir::{Class, Hir, HirKind};

/// The bytes of three places in a row. A gram that is shorter has all bytes in its first places.
pub(super) type Gram = [ByteSet; 3];

/// Necessary conditions of a match.
#[derive(Debug)]
pub(super) struct Needs {
    /// One of these occurs in every match. Empty: nothing is known.
    pub(super) grams: Vec<Gram>,
    /// Bytes of the shortest match.
    pub(super) min_len: usize,
    /// The fewest bytes of each counted set.
    pub(super) counts: [u8; COUNTED.len()],
    /// The bytes that a match consists of.
    pub(super) alphabet: ByteSet,
}

/// Sets of bytes that are counted in a text: those that separate parts of names and numbers.
pub(super) const COUNTED: [&[u8]; 8] =
    [b"0123456789", b".", b":", b":=", b"@", b"?", b"-", b" \t\r\n\x0b\x0c"];

impl Needs {
    pub(super) fn of(expression: &Hir) -> Self {
        let mut grams = Vec::new();
        for path in paths(expression) {
            let has_one = windows(&path).any(|gram| grams.contains(&gram));
            match best(&path) {
                _ if has_one => {}
                Some((gram, _)) => grams.push(gram),
                None => {
                    grams.clear();
                    break;
                }
            }
        }
        let mut alphabet = ByteSet::default();
        add_alphabet(expression, &mut alphabet);
        Self {
            grams,
            min_len: expression.properties().minimum_len().unwrap_or(0),
            counts: COUNTED.map(|set| fewest(expression, &ByteSet::of(set))),
            alphabet,
        }
    }
}

/// A step of a match.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// One byte of a set.
    Byte(ByteSet),
    /// Any bytes.
    Gap,
}

type Path = Vec<Step>;

/// The ways of a match: each match is one of them.
fn paths(expression: &Hir) -> Vec<Path> {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Path::new()],
        HirKind::Literal(literal) => {
            vec![shortened(
                literal.0.iter().map(|byte| Step::Byte(ByteSet::of(&[*byte]))).collect(),
            )]
        }
        HirKind::Class(class) => {
            vec![of_class(class).map_or(vec![Step::Gap], |set| vec![Step::Byte(set)])]
        }
        HirKind::Capture(capture) => paths(&capture.sub),
        HirKind::Alternation(branches) => {
            let all: Vec<Path> = branches.iter().flat_map(paths).collect();
            if all.len() > MAX_PATHS { vec![vec![Step::Gap]] } else { all }
        }
        HirKind::Concat(parts) => {
            parts.iter().fold(vec![Path::new()], |all, part| joined(all, paths(part)))
        }
        HirKind::Repetition(repetition) => {
            let (min, max) = (repetition.min, repetition.max);
            let inner = paths(&repetition.sub);
            if min == 0 {
                let none = vec![Path::new()];
                let is_byte = matches!(inner.as_slice(), [path] if path.len() == 1);
                return match max {
                    Some(1) => [none, inner].concat(),
                    Some(..=8) if is_byte => {
                        let gap = vec![vec![Step::Gap]];
                        [none, joined(joined(inner.clone(), gap), inner)].concat()
                    }
                    _ => vec![vec![Step::Gap]],
                };
            }
            // As many as a gram is long, from the first and from the last one.
            let some = (0..min.min(3)).fold(vec![Path::new()], |all, _| joined(all, inner.clone()));
            if max == Some(min) && min <= 3 {
                return some;
            }
            joined(joined(some.clone(), vec![vec![Step::Gap]]), some)
        }
    }
}

/// The ways of one and then the other. With too many of them, the ways of the one that is harder to find, and any bytes for the other.
fn joined(before: Vec<Path>, after: Vec<Path>) -> Vec<Path> {
    if before.len() * after.len() <= MAX_PATHS {
        let pairs = before.iter().flat_map(|one| after.iter().map(move |other| (one, other)));
        return pairs.map(|(one, other)| shortened([one.as_slice(), other].concat())).collect();
    }
    let add = |mut paths: Vec<Path>, place: fn(&Path) -> usize| {
        for path in &mut paths {
            let place = place(path);
            path.insert(place, Step::Gap);
        }
        paths
    };
    if weight(&before) <= weight(&after) { add(before, Vec::len) } else { add(after, |_| 0) }
}

/// A long way without the steps that no gram needs: its rarest gram stays, and its ends, which may join others.
fn shortened(path: Path) -> Path {
    if path.len() <= MAX_STEPS {
        return path;
    }
    let (head, tail) = (path.get(..2), path.get(path.len() - 2..));
    let rarest = best(&path).map(|(gram, _)| gram.map(Step::Byte));
    let mut short = head.unwrap_or_default().to_vec();
    short.push(Step::Gap);
    short.extend(rarest.into_iter().flatten());
    short.push(Step::Gap);
    short.extend_from_slice(tail.unwrap_or_default());
    short
}

/// How often a text has a gram of these ways.
fn weight(paths: &[Path]) -> f64 {
    paths.iter().map(|path| best(path).map_or(1.0, |(_, weight)| weight)).sum()
}

/// The rarest gram of a way.
fn best(path: &[Step]) -> Option<(Gram, f64)> {
    let grams = windows(path).map(|gram| {
        let weight = gram.iter().map(|set| set.iter().map(frequency).sum::<f64>().min(1.0));
        (gram, weight.product::<f64>())
    });
    grams.filter(|(_, weight)| *weight < 0.5).min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// The grams of a way, longer ones first.
fn windows(path: &[Step]) -> impl Iterator<Item = Gram> {
    (1..=3).rev().flat_map(|len| path.windows(len)).filter_map(|steps| {
        let mut gram = [ByteSet::ALL; 3];
        for (place, step) in gram.iter_mut().rev().zip(steps.iter().rev()) {
            let Step::Byte(set) = step else { return None };
            *place = *set;
        }
        Some(gram)
    })
}

/// How often a byte is in the text of attributes, roughly.
fn frequency(byte: u8) -> f64 {
    match byte {
        b'e' | b's' | b'a' | b't' | b'o' | b'r' | b'i' | b'n' => 0.05,
        b'q' | b'j' | b'x' | b'z' | b'w' | b'k' | b'y' | b'v' => 0.01,
        b'a'..=b'z' => 0.025,
        b'0'..=b'9' => 0.02,
        b' ' | b'/' | b'.' | b'-' | b'_' => 0.03,
        b':' | b'=' | b',' | b'"' => 0.01,
        b'A'..=b'Z' => 0.005,
        b'@' | b'?' => 0.001,
        b'!'..=b'~' => 0.003,
        _ => 0.0005,
    }
}

fn of_class(class: &Class) -> Option<ByteSet> {
    let mut set = ByteSet::default();
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                (range.start()..=range.end()).for_each(|byte| set.insert(byte));
            }
        }
        Class::Unicode(class) => {
            // A character beyond ASCII has several bytes.
            for range in class.ranges() {
                let (start, end) = (u8::try_from(range.start()).ok()?, u8::try_from(range.end()));
                let end = end.ok().filter(u8::is_ascii)?;
                (start..=end).for_each(|byte| set.insert(byte));
            }
        }
    }
    Some(set)
}

/// The fewest bytes of `set` in a match.
fn fewest(expression: &Hir, set: &ByteSet) -> u8 {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => {
            let count = literal.0.iter().filter(|byte| set.contains(**byte)).count();
            u8::try_from(count).unwrap_or(u8::MAX)
        }
        HirKind::Class(class) => {
            u8::from(of_class(class).is_some_and(|class| class.len() > 0 && class.is_subset(set)))
        }
        HirKind::Repetition(repetition) => {
            let min = u8::try_from(repetition.min).unwrap_or(u8::MAX);
            fewest(&repetition.sub, set).saturating_mul(min)
        }
        HirKind::Capture(capture) => fewest(&capture.sub, set),
        HirKind::Concat(parts) => {
            parts.iter().fold(0, |sum: u8, part| sum.saturating_add(fewest(part, set)))
        }
        HirKind::Alternation(branches) => {
            branches.iter().map(|branch| fewest(branch, set)).min().unwrap_or(0)
        }
    }
}

fn add_alphabet(expression: &Hir, alphabet: &mut ByteSet) {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => alphabet.extend(&ByteSet::of(&literal.0)),
        HirKind::Class(class) => alphabet.extend(&of_class(class).unwrap_or(ByteSet::ALL)),
        HirKind::Repetition(repetition) => add_alphabet(&repetition.sub, alphabet),
        HirKind::Capture(capture) => add_alphabet(&capture.sub, alphabet),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| add_alphabet(part, alphabet));
        }
    }
}

/// The most ways of an expression that are looked at.
const MAX_PATHS: usize = 128;
/// The most steps of a way.
const MAX_STEPS: usize = 16;
