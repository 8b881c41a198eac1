//! From the events of the YAML parser to a tree, within the bounds of a file.

use std::collections::HashMap;

use granit_parser::{
    ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StrInput,
    StructureStyle, Tag,
};

use crate::findings::MAX_FINDINGS;
use crate::limits::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES};
use crate::node::{Content, Entry, Node};
use crate::position::Position;
use crate::scalar::Scalar;
use crate::substitution::{Environment, Substituted, SubstitutionError, substitute};
use crate::unset::Unset;

/// The one document of a text.
///
/// # Errors
/// The place and the reason of the first thing that makes the text no configuration file.
pub(crate) fn load(text: &str, environment: &Environment<'_>) -> Result<Loaded, Failure> {
    let parser = Parser::new_from_str_with_options(text, options());
    let mut loader = Loader {
        parser,
        environment,
        anchors: HashMap::new(),
        nodes: 0,
        text_bytes: 0,
        unset: Vec::new(),
    };
    let root = loader.document()?;
    match loader.next()? {
        (Event::StreamEnd, _) => Ok(Loaded { root, unset: loader.unset }),
        (_, span) => Err(Failure::at(span, "a second document; a configuration file has one")),
    }
}

/// A tree, and the references of its text that an empty text replaced.
pub(crate) struct Loaded {
    pub root: Node,
    /// In the order of the file, the first [`MAX_FINDINGS`].
    pub unset: Vec<Unset>,
}

/// A reason to refuse a file.
#[derive(Debug)]
pub(crate) struct Failure {
    pub position: Position,
    pub message: String,
}

struct Loader<'t, 'e> {
    parser: Parser<'t, StrInput<'t>>,
    environment: &'e Environment<'e>,
    /// By the parser's number; `None` while its node is being read.
    anchors: HashMap<usize, Option<Node>>,
    nodes: usize,
    text_bytes: usize,
    unset: Vec<Unset>,
}

impl<'t> Loader<'t, '_> {
    fn document(&mut self) -> Result<Node, Failure> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                // Nothing but comments.
                (Event::StreamEnd, _) => {
                    return Err(Failure::new(Position::START, "the file is empty"));
                }
                (event, span) => {
                    let root = self.node(event, span, 0)?;
                    // The end of the document.
                    self.next()?;
                    return Ok(root);
                }
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Failure> {
        if depth > MAX_DEPTH {
            return Err(Failure::at(span, too_deep()));
        }
        let (anchor, content) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(&text, style, tag.as_deref(), span)?)
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.as_deref(), "seq", span)?;
                self.open(anchor);
                (anchor, Content::Sequence(self.sequence(depth)?))
            }
            Event::MappingStart(style, anchor, tag) => {
                refuse_tag(tag.as_deref(), "map", span)?;
                self.open(anchor);
                (anchor, Content::Mapping(self.mapping(style, depth)?))
            }
            _ => return Err(Failure::at(span, "a value is expected")),
        };
        let node = Node { position: position(span.start), content };
        self.charge(1, 0, span)?;
        if anchor != NO_ANCHOR {
            self.charge(node.count(), node.text_bytes(), span)?;
            self.anchors.insert(anchor, Some(node.clone()));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, Failure> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(nodes),
                (event, span) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, style: StructureStyle, depth: usize) -> Result<Vec<Entry>, Failure> {
        let mut entries = Entries::default();
        // Where a text without quotes ends at a comma.
        let mut comma = None;
        loop {
            let (key, span) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries.merged()),
                (Event::Scalar(key, style, ..), span) => ((key, style), span),
                (_, span) => return Err(Failure::at(span, "a key is a scalar")),
            };
            self.charge(0, key.0.len(), span)?;
            let (event, value_span) = self.next()?;
            // Between braces, a comma ends a text without quotes: the rest of it is the next key, without a space or a colon.
            let is_plain = style == StructureStyle::Flow
                && matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..));
            let has_colon = !is_plain || !value_span.is_empty();
            let may_be_value =
                comma.is_some_and(|comma| !has_colon || span.start.index() <= comma + 1);
            comma = is_plain.then(|| value_span.end.index());
            let value = self.node(event, value_span, depth + 1)?;
            match key {
                (key, ScalarStyle::Plain) if key == "<<" => entries.merge(value, span)?,
                (key, _) => {
                    entries.add(Entry {
                        key: key.into(),
                        position: position(span.start),
                        value,
                        may_be_value,
                    })?;
                }
            }
        }
    }

    fn scalar(
        &mut self,
        source: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Content, Failure> {
        let max_bytes = MAX_TEXT_BYTES.saturating_sub(self.text_bytes + source.len());
        let Substituted { text, unset } =
            substitute(source, self.environment, max_bytes).map_err(|error| match error {
                SubstitutionError::TooLarge => Failure::at(span, too_much_text()),
                SubstitutionError::NoReference => Failure::at(span, NO_REFERENCE),
            })?;
        self.charge(0, source.len() + text.len(), span)?;
        for name in unset.into_iter().take(MAX_FINDINGS.saturating_sub(self.unset.len())) {
            self.unset.push(Unset { name: name.to_owned(), position: position(span.start) });
        }
        let scalar = match tag.map(|tag| (tag, tag.core_suffix())) {
            Some((_, Some(suffix))) => Scalar::of_tagged(suffix, &text).ok_or_else(|| {
                let tag = SCALAR_TAGS.iter().find(|known| **known == suffix);
                tag.map_or_else(|| unknown_tag(span), |tag| other_type(tag, span))
            })?,
            // `!` alone: no other type than a string.
            Some((tag, None)) if tag.original() == "!" => Scalar::String(text.as_ref().into()),
            Some((_, None)) => return Err(unknown_tag(span)),
            None if style == ScalarStyle::Plain => Scalar::of_plain(&text),
            None => Scalar::String(text.as_ref().into()),
        };
        Ok(Content::Scalar { scalar, is_substituted: text != source, source: source.into() })
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Failure> {
        let node = match self.anchors.get(&anchor) {
            Some(Some(node)) => node.clone(),
            Some(None) => return Err(Failure::at(span, "an alias inside of its own anchor")),
            None => return Err(Failure::at(span, "an alias without an anchor")),
        };
        self.charge(node.count(), node.text_bytes(), span)?;
        Ok(node)
    }

    /// An alias to a node that is not complete would be a cycle.
    fn open(&mut self, anchor: usize) {
        if anchor != NO_ANCHOR {
            self.anchors.insert(anchor, None);
        }
    }

    fn charge(&mut self, nodes: usize, text_bytes: usize, span: Span) -> Result<(), Failure> {
        self.nodes += nodes;
        self.text_bytes += text_bytes;
        if self.nodes > MAX_NODES {
            let message = format!(
                "more than {MAX_NODES} values, each alias counted as the values that it repeats"
            );
            return Err(Failure::at(span, message));
        }
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(Failure::at(span, too_much_text()));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Failure> {
        match self.parser.next_event() {
            Some(event) => Ok(event?),
            None => Err(Failure::new(Position::START, "the document does not end")),
        }
    }
}

/// The entries of a mapping; an explicit one stands above one that `<<` brings.
#[derive(Default)]
struct Entries {
    own: Vec<Entry>,
    /// Each key with its line, so that a mapping of many keys takes no time of its square.
    known: HashMap<Box<str>, Position>,
    merged: Vec<Entry>,
}

impl Entries {
    fn add(&mut self, entry: Entry) -> Result<(), Failure> {
        if let Some(first) = self.known.insert(entry.key.clone(), entry.position) {
            let key = entry.shown_key();
            let message = format!(
                "the key `{key}` occurs a second time; the first one is in line {}",
                first.line
            );
            return Err(Failure::new(entry.position, message));
        }
        self.own.push(entry);
        Ok(())
    }

    /// `<<: *anchor` and `<<: [*first, *second]`.
    fn merge(&mut self, value: Node, span: Span) -> Result<(), Failure> {
        match value.content {
            Content::Mapping(entries) => self.merged.extend(entries),
            Content::Sequence(nodes) => {
                for node in nodes {
                    self.merge(node, span)?;
                }
            }
            Content::Scalar { .. } => return Err(Failure::at(span, "`<<` merges mappings")),
        }
        Ok(())
    }

    fn merged(mut self) -> Vec<Entry> {
        for entry in self.merged {
            // The first one counts, as for the keys of the mapping itself.
            if !self.known.contains_key(&entry.key) {
                self.known.insert(entry.key.clone(), entry.position);
                self.own.push(entry);
            }
        }
        self.own
    }
}

fn refuse_tag(tag: Option<&Tag>, accepted: &str, span: Span) -> Result<(), Failure> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(accepted) => Err(unknown_tag(span)),
        _ => Ok(()),
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

fn too_much_text() -> String {
    format!("more than {MAX_TEXT_BYTES} bytes of text after substitution of variables and aliases")
}

/// Without the tag: a password that begins with `!` is one.
fn unknown_tag(span: Span) -> Failure {
    Failure::at(
        span,
        "the tag does not fit; accepted are the tags of YAML's core schema, such as !!str, and a text that begins with `!` in quotes",
    )
}

fn other_type(tag: &str, span: Span) -> Failure {
    Failure::at(span, format!("the value is not of the type of its tag !!{tag}"))
}

impl Failure {
    pub fn new(position: Position, message: impl Into<String>) -> Self {
        Self { position, message: message.into() }
    }

    fn at(span: Span, message: impl Into<String>) -> Self {
        Self::new(position(span.start), message)
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Self {
        let message = match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(),
            ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
                format!(
                    "not YAML: {}; between braces or brackets, a text with one of {{ }} [ ] , or with ${{NAME}} needs quotes",
                    error.info()
                )
            }
            _ => format!("not YAML: {}", error.info()),
        };
        Self::new(position(*error.marker()), message)
    }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// Deeper files are refused before they are deep on the stack.
fn options() -> Options {
    granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH + 2,
        block_nesting_limit: MAX_DEPTH + 2,
    }
}

/// The parser's number of a node without an anchor.
const NO_ANCHOR: usize = 0;
/// The tags of the core schema for scalars.
const SCALAR_TAGS: [&str; 5] = ["str", "bool", "int", "float", "null"];
/// Without the text, which may be a secret with a `${` in it.
const NO_REFERENCE: &str = "a `${…}` in the value is no reference to a variable; accepted is ${NAME}, ${env:NAME} or ${NAME:-default}; $$ \
                            stands for a dollar sign";
