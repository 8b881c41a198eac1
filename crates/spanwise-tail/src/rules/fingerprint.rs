//! The kind of a trace, by values of its spans.

use spanwise_wire::read::ValueView;

use crate::keys::{KeyIndex, KeyPool};
use crate::span_facts::SpanFacts;
use crate::trace_view::TraceView;

/// The selectors of a sampler, and memory for the text of a trace.
pub(crate) struct Fingerprint {
    selectors: Vec<Selector>,
    text: String,
}

struct Selector {
    source: Source,
    key: KeyIndex,
    name: Box<str>,
    /// The distinct values of the present trace.
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Resource,
    Scope,
    Span,
    Root,
    Any,
    RootName,
}

impl Fingerprint {
    /// # Errors
    /// The first text that is no selector.
    pub(crate) fn new(selectors: &[String], keys: &KeyPool) -> Result<Self, String> {
        let selectors = selectors.iter().map(|text| {
            let (source, name) = parse(text).ok_or_else(|| {
                format!(
                    "{text:?} is no selector; accepted is `root.name`, and `resource`, `scope`, `span`, `root` or `any` with \
                     `.attributes[\"key\"]`"
                )
            })?;
            Ok(Selector { source, key: keys.index(name), name: name.into(), values: Vec::new() })
        });
        Ok(Self { selectors: selectors.collect::<Result<_, String>>()?, text: String::new() })
    }

    /// The text of a trace's kind: the distinct values of each selector in their order, separated by `,`, and those of several selectors
    /// by `•`. A selector without a value has `<missing>`. Lists, maps and bytes are no values.
    pub(crate) fn of(&mut self, trace: &TraceView<'_>) -> &str {
        self.text.clear();
        if self.selectors.is_empty() {
            return &self.text;
        }
        let selectors = &mut self.selectors;
        trace.any(|span| {
            selectors.iter_mut().for_each(|selector| selector.read(span));
            false
        });
        for (index, selector) in self.selectors.iter_mut().enumerate() {
            if index > 0 {
                self.text.push('•');
            }
            selector.values.sort_unstable();
            if selector.values.is_empty() {
                self.text.push_str("<missing>");
            }
            for (index, value) in selector.values.drain(..).enumerate() {
                if index > 0 {
                    self.text.push(',');
                }
                self.text.push_str(&value);
            }
        }
        &self.text
    }
}

impl Selector {
    fn read(&mut self, span: &SpanFacts<'_>) {
        let is_root = span.is_root() || span.parent_span_id() == Some([0; 8]);
        match self.source {
            Source::Resource => self.add(span.resource_value(self.key)),
            Source::Scope => self.add(span.scope_attribute(&self.name)),
            Source::Span => self.add(span.value(self.key)),
            Source::Root if is_root => self.add(span.value(self.key)),
            Source::RootName if is_root => self.add(span.name().ok().map(ValueView::Str)),
            Source::Root | Source::RootName => {}
            Source::Any => {
                self.add(span.resource_value(self.key));
                self.add(span.scope_attribute(&self.name));
                self.add(span.value(self.key));
            }
        }
    }

    fn add(&mut self, value: Option<ValueView<'_>>) {
        if self.values.len() >= MAX_VALUES {
            return;
        }
        let number;
        let text = match value {
            Some(ValueView::Str(text)) => text,
            Some(ValueView::I64(value)) => {
                number = value.to_string();
                &number
            }
            Some(ValueView::F64(value)) => {
                number = value.to_string();
                &number
            }
            Some(ValueView::Bool(value)) => {
                number = value.to_string();
                &number
            }
            _ => return,
        };
        let text = shortened(text);
        if !self.values.iter().any(|known| known == text) {
            self.values.push(text.to_owned());
        }
    }
}

/// The first bytes of a text, up to a character.
fn shortened(text: &str) -> &str {
    let end = (0..=MAX_VALUE_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    if text.len() <= MAX_VALUE_BYTES { text } else { text.get(..end).unwrap_or_default() }
}

fn parse(text: &str) -> Option<(Source, &str)> {
    if text == "root.name" {
        return Some((Source::RootName, ""));
    }
    let (source, rest) = text.split_once('.')?;
    let key = rest.strip_prefix("attributes[\"")?.strip_suffix("\"]")?;
    let source = match source {
        "resource" => Source::Resource,
        "scope" => Source::Scope,
        "span" => Source::Span,
        "root" => Source::Root,
        "any" => Source::Any,
        _ => return None,
    };
    (!key.is_empty() && !key.contains(['"', '\\'])).then_some((source, key))
}

/// The most distinct values of one selector.
const MAX_VALUES: usize = 32;
const MAX_VALUE_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_a_scope_and_a_key() {
        for (text, expected) in [
            ("resource.attributes[\"service.name\"]", Some((Source::Resource, "service.name"))),
            ("scope.attributes[\"k\"]", Some((Source::Scope, "k"))),
            ("span.attributes[\"http.route\"]", Some((Source::Span, "http.route"))),
            ("root.attributes[\"k\"]", Some((Source::Root, "k"))),
            ("any.attributes[\"k\"]", Some((Source::Any, "k"))),
            ("root.name", Some((Source::RootName, ""))),
            ("span.name", None),
            ("attributes[\"k\"]", None),
            ("span.attributes[\"\"]", None),
            ("span.attributes[k]", None),
            ("span.attributes[\"a\\\"b\"]", None),
            ("event.attributes[\"k\"]", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        assert_eq!(shortened(&"é".repeat(200)), "é".repeat(128));
        assert_eq!(shortened(&format!("a{}", "é".repeat(200))).len(), 255);
        assert_eq!(shortened("short"), "short");
    }
}
