//! A value of a file, read as the type that the schema expects.

use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use crate::findings::Findings;
use crate::go_duration;
use crate::names::{hint, listed};
use crate::node::{Content, Entry, Node};
use crate::position::Position;
use crate::problem::Problem;
use crate::scalar::Scalar;
use crate::substitution::referenced;

/// A place in a file, and the value there if there is one.
///
/// The typed accessors return `None` when there is no value, and also when it is of another type or out of
/// range: then they have reported an error, and [`Document::read`](crate::Document::read) fails.
#[derive(Clone)]
pub struct Field<'d> {
    /// `None` when the key is absent.
    node: Option<&'d Node>,
    /// The key's if there is one, else the parent's.
    position: Position,
    pub(crate) path: String,
    pub(crate) is_secret: bool,
    pub(crate) findings: Rc<Findings>,
}

/// The place without the value, which may be a secret.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({} at {})", self.path, self.position())
    }
}

impl<'d> Field<'d> {
    pub(crate) fn root(node: &'d Node, findings: &Rc<Findings>) -> Self {
        let position = node.position;
        Self {
            node: Some(node),
            position,
            path: String::new(),
            is_secret: false,
            findings: Rc::clone(findings),
        }
    }

    pub(crate) fn of_entry(entry: &'d Entry, path: String, findings: &Rc<Findings>) -> Self {
        let position = entry.position;
        Self {
            node: Some(&entry.value),
            position,
            path,
            is_secret: false,
            findings: Rc::clone(findings),
        }
    }

    pub(crate) fn absent(position: Position, path: String, findings: &Rc<Findings>) -> Self {
        Self { node: None, position, path, is_secret: false, findings: Rc::clone(findings) }
    }

    /// No message shows the value.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Whether the key is in the file, also with no value, as in `always_on:`.
    pub fn exists(&self) -> bool {
        self.node.is_some()
    }

    /// Whether the key is in the file with another value than null.
    pub fn has_value(&self) -> bool {
        self.value().is_some()
    }

    /// Reports an error if there is no value.
    #[must_use]
    pub fn required(self) -> Self {
        if !self.has_value() {
            self.error("it is required");
        }
        self
    }

    /// Where the value stands; for null its key, and for an absent one the mapping that it is missing from.
    pub fn position(&self) -> Position {
        self.value().map_or(self.position, |node| node.position)
    }

    /// Where the key stands; for an element of a sequence its value, and for an absent key the mapping that it is
    /// missing from.
    pub fn key_position(&self) -> Position {
        self.position
    }

    /// The keys that lead here, such as `tracer_provider.processors[0].batch`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the value, or a part of it, came from an environment variable or its default.
    pub fn is_substituted(&self) -> bool {
        self.node.is_some_and(|node| {
            matches!(node.content, Content::Scalar { is_substituted: true, .. })
        })
    }

    /// The names of the environment variables that the scalar refers to, each once, the first 16 in the order of the file.
    pub fn variables(&self) -> Vec<&'d str> {
        match self.node.map(|node| &node.content) {
            Some(Content::Scalar { source, is_substituted: true, .. }) => referenced(source),
            _ => Vec::new(),
        }
    }

    /// The text of the scalar in the file, with its references instead of the values of variables.
    pub fn source(&self) -> Option<&'d str> {
        match self.node.map(|node| &node.content) {
            Some(Content::Scalar { source, .. }) => Some(source),
            _ => None,
        }
    }

    /// An error here that is not reported, for a caller that finds it after the file was read.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.findings.problem(self.position(), self.path.clone(), message.into())
    }

    /// A hash of the value after substitution, with everything below it: equal for equal values, wherever they stand.
    /// 0 if there is none.
    pub fn content_hash(&self) -> u64 {
        let hash = |node: &Node| {
            let mut hasher = DefaultHasher::new();
            node.hash_content(&mut hasher);
            hasher.finish()
        };
        self.value().map_or(0, hash)
    }

    /// Whether the value is a sequence.
    pub fn is_sequence(&self) -> bool {
        self.value().is_some_and(|node| matches!(node.content, Content::Sequence(_)))
    }

    /// Reports an error of the schema here; the message names the accepted values.
    pub fn error(&self, message: impl Into<String>) {
        self.findings.error(self.position(), self.path.clone(), message.into());
    }

    /// Reports a warning here: the file is used nevertheless.
    pub fn warning(&self, message: impl Into<String>) {
        self.findings.warning(self.position(), self.path.clone(), message.into());
    }

    /// A string. A number or a boolean without quotes is an error, as in the schemas of OpenTelemetry.
    pub fn string(&self) -> Option<&'d str> {
        match self.scalar("a string")? {
            Scalar::String(text) => Some(text),
            Scalar::Bool(_) | Scalar::Integer(_) | Scalar::Float(_) => {
                self.error(format!("a string is expected; put {} in quotes", self.shown()));
                None
            }
            Scalar::Null => None,
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.scalar("true or false")? {
            Scalar::Bool(value) => Some(*value),
            _ => self.expected_scalar("true or false"),
        }
    }

    /// A whole number of `range`.
    pub fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let expected = || format!("a whole number{}", span_of(&range, &(i64::MIN..=i64::MAX)));
        let number = match self.scalar(&expected())? {
            Scalar::Integer(number) => i64::try_from(*number).ok(),
            _ => None,
        };
        number.filter(|number| range.contains(number)).or_else(|| self.expected_scalar(&expected()))
    }

    /// A number of `range`, whole or not.
    pub fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let all = f64::NEG_INFINITY..=f64::INFINITY;
        let expected = || format!("a number{}", span_of(&range, &all));
        let number = match self.scalar(&expected())? {
            Scalar::Integer(number) => Some(*number as f64),
            Scalar::Float(number) => Some(*number),
            _ => None,
        };
        number.filter(|number| range.contains(number)).or_else(|| self.expected_scalar(&expected()))
    }

    /// A duration in the form of Go, which files of the Collector have: `10s`, `1m30s`, `500ms`, and `0`. A number without a unit is an
    /// error.
    pub fn go_duration(&self) -> Option<Duration> {
        let parsed = match self.scalar(GO_DURATION)? {
            Scalar::Null => return None,
            Scalar::String(text) => go_duration::parse(text),
            Scalar::Integer(0) => Some(Duration::ZERO),
            _ => None,
        };
        parsed.or_else(|| self.expected(GO_DURATION))
    }

    /// One of the names of `choices`, as its value.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.error(format!(
                "{} is not known{}; accepted is {}",
                self.shown(),
                hint(text, &names),
                listed(&names)
            ));
        }
        found.map(|(_, value)| *value)
    }

    /// Any scalar, with its type.
    pub fn any_scalar(&self) -> Option<&'d Scalar> {
        self.scalar("a single value")
    }

    /// The elements of a sequence; none if there is no value.
    pub fn sequence(&self) -> Vec<Self> {
        match self.value().map(|node| &node.content) {
            None => Vec::new(),
            Some(Content::Sequence(nodes)) => {
                nodes.iter().enumerate().map(|(index, node)| self.element(index, node)).collect()
            }
            Some(_) => {
                self.expected_nodes("a sequence (lines that begin with `- `)");
                Vec::new()
            }
        }
    }

    fn element(&self, index: usize, node: &'d Node) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self { node: Some(node), position: node.position, path, ..self.clone() }
    }

    /// The node, unless it is null.
    pub(crate) fn value(&self) -> Option<&'d Node> {
        self.node
            .filter(|node| !matches!(node.content, Content::Scalar { scalar: Scalar::Null, .. }))
    }

    fn scalar(&self, expected: &str) -> Option<&'d Scalar> {
        match &self.value()?.content {
            Content::Scalar { scalar, .. } => Some(scalar),
            Content::Sequence(_) | Content::Mapping(_) => self.expected(expected),
        }
    }

    /// Reports that the value is another one than `expected`, which the message names, and returns `None`. The
    /// message shows the text of the file unless it is a secret.
    pub fn expected<T>(&self, expected: &str) -> Option<T> {
        self.error(format!("{expected} is expected, not {}", self.shown()));
        None
    }

    /// As [`expected`](Self::expected), where a number or a boolean is expected: quotes make it a string.
    fn expected_scalar<T>(&self, expected: &str) -> Option<T> {
        let is_in_quotes = self.node.is_some_and(|node| match &node.content {
            Content::Scalar { scalar: Scalar::String(text), .. } => {
                !matches!(Scalar::of_plain(text), Scalar::String(_) | Scalar::Null)
            }
            _ => false,
        });
        if is_in_quotes {
            self.error(format!(
                "{expected} is expected, not a string; remove the quotes of {}",
                self.shown()
            ));
            return None;
        }
        self.expected(expected)
    }

    /// As [`expected`](Self::expected), where a mapping or a sequence is expected. The message has the type of the value alone: a
    /// text may be a key and a value, perhaps a secret, without the space between them.
    pub(crate) fn expected_nodes(&self, expected: &str) {
        let found = self.node.map_or("nothing", Node::type_name);
        self.error(format!("{expected} is expected, not {found}"));
    }

    /// The value for a message: its text in the file, where a variable stands for its value, which no message shows.
    fn shown(&self) -> String {
        match self.is_substituted() && !self.is_secret {
            true => format!("the value of {}", self.shown_source()),
            false => self.shown_source(),
        }
    }

    fn shown_source(&self) -> String {
        match self.node {
            Some(Node { content: Content::Scalar { source, .. }, .. }) if !self.is_secret => {
                let mut text: String = source.escape_debug().take(SHOWN_LETTERS).collect();
                if source.chars().nth(SHOWN_LETTERS).is_some() {
                    text.push('…');
                }
                format!("`{text}`")
            }
            Some(node) => node.type_name().to_owned(),
            None => "nothing".to_owned(),
        }
    }
}

/// ` from 1 to 9`, ` from 1` when the end is the type's own, and nothing for all of its values.
fn span_of<T: PartialEq + fmt::Display>(
    range: &RangeInclusive<T>,
    all: &RangeInclusive<T>,
) -> String {
    let (start, end) = (range.start(), range.end());
    if range == all {
        String::new()
    } else if end == all.end() {
        format!(" from {start}")
    } else {
        format!(" from {start} to {end}")
    }
}

const SHOWN_LETTERS: usize = 40;
const GO_DURATION: &str = "a duration such as `10s`, `1m30s` or `500ms`";
