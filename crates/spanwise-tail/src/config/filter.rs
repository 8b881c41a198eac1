//! The block `filter`.

use spanwise_config::{Document, Field, Mapping, Problems, Read};

use super::policies::error_mode;
use super::processor::find;
use crate::filter::{FilterGroup, Filtered, SpanFilter};
use crate::ottl::ErrorMode;

impl SpanFilter {
    /// Reads the conditions from a file of the Collector, with its processor `filter`, from a file of `spanwise-node`, or from the block of the processor alone. A file
    /// with several processors of the type needs their name in `processor`: `Some("filter/name")`.
    ///
    /// `trace_conditions`, `traces.span` and `traces.spanevent` load, with the part of OTTL that tail policies have. Other conditions of
    /// traces are an error, because their spans would stay; those of other signals have no effect.
    ///
    /// # Errors
    /// Every mistake of the block with its line, its path and, for an unknown key or value, the nearest known one.
    ///
    /// ```
    /// use spanwise_config::Document;
    /// use spanwise_tail::SpanFilter;
    ///
    /// let text = b"
    /// processors:
    ///   filter/health:
    ///     trace_conditions:
    ///       - span.attributes[\"url.path\"] == \"/health\"
    ///       - span.naem == \"ping\"
    /// ";
    /// let document = Document::parse("collector.yaml", text, |_| None)?;
    /// let problems = SpanFilter::from_document(&document, None).map(drop).unwrap_err().to_string();
    /// let expected = "collector.yaml:6:9: processors.filter/health.trace_conditions[1]: condition \"span.naem == \\\"ping\\\"\": 1:1: ";
    /// assert!(problems.starts_with(expected), "{problems}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_document(
        document: &Document,
        processor: Option<&str>,
    ) -> Result<Read<Self>, Problems> {
        document.read(|root| {
            let block = find(&root, TYPE, processor);
            // Without a block, the error about it is the only one.
            block.map_or_else(Self::default, |block| read(&block))
        })
    }

    /// Reads the block of the processor, which a larger file has. The field reports mistakes; the result is of no use then.
    pub fn from_field(block: &Field<'_>) -> Self {
        read(block)
    }
}

fn read(block: &Field<'_>) -> SpanFilter {
    let mapping = block.mapping(KEYS);
    let error_mode = error_mode(&mapping.get("error_mode")).unwrap_or(ErrorMode::Ignore);
    for key in OTHER_SIGNALS {
        let field = mapping.get(key);
        if field.has_value() {
            field.warning("it has no effect: it is not about traces");
        }
    }
    let spans = mapping.get("spans");
    if spans.has_value() {
        spans.error("it is not supported: write it as conditions in `trace_conditions`");
    }
    let traces = mapping.get("traces").mapping(&["resource", "span", "spanevent"]);
    let resource = traces.get("resource");
    if resource.has_value() {
        resource.error("it is not supported: `span` has the attributes of the resource, `resource.attributes[\"…\"]`");
    }
    let mut groups = vec![
        group(error_mode, Filtered::Spans, &traces.get("span")),
        group(error_mode, Filtered::SpanEvents, &traces.get("spanevent")),
    ];
    let conditions = mapping.get("trace_conditions");
    let elements = conditions.sequence();
    let is_advanced = elements.first().is_some_and(|element| element.source().is_none());
    if is_advanced {
        groups.extend(elements.iter().map(|element| advanced(error_mode, element)));
    } else {
        groups.push(group(error_mode, Filtered::Inferred, &conditions));
    }
    let has_both = conditions.has_value() && mapping.get("traces").has_value();
    if has_both {
        conditions.error("`traces` has conditions too: use one of them");
    }
    let groups: Vec<FilterGroup> = groups.into_iter().flatten().collect();
    if groups.is_empty() && !has_conditions(&mapping) {
        block.warning("it has no condition about traces: no span is left out");
    }
    SpanFilter { groups }
}

/// Whether the block has a list of conditions: those in it that cannot be used have been reported.
fn has_conditions(mapping: &Mapping<'_>) -> bool {
    ["traces", "trace_conditions", "spans"].iter().any(|key| mapping.get(key).has_value())
}

/// An element with a context and an error mode of its own.
fn advanced(default: ErrorMode, field: &Field<'_>) -> Option<FilterGroup> {
    if field.source().is_some() {
        field.error("conditions as texts and with a context do not stand in one list");
        return None;
    }
    let mapping = field.mapping(&["context", "conditions", "error_mode"]);
    let context = mapping.get("context");
    let filtered = match context.string().map(str::to_ascii_lowercase).as_deref() {
        None | Some("") => Filtered::Inferred,
        Some("span") => Filtered::Spans,
        Some("spanevent") => Filtered::SpanEvents,
        Some("resource" | "scope") => {
            context.error(
                "it is not supported: `span` has the attributes of the resource and the scope",
            );
            return None;
        }
        Some(_) => {
            context.choice(&[("span", Filtered::Spans), ("spanevent", Filtered::SpanEvents)])?
        }
    };
    let error_mode = error_mode(&mapping.get("error_mode")).unwrap_or(default);
    group(error_mode, filtered, &mapping.get("conditions").required())
}

/// The conditions of a list. `None` if there is none, or one with a mistake, which has been reported.
fn group(error_mode: ErrorMode, filtered: Filtered, list: &Field<'_>) -> Option<FilterGroup> {
    let mut conditions = Vec::new();
    let mut is_valid = true;
    for element in list.sequence() {
        let Some(text) = element.string() else {
            if !element.has_value() {
                element.error("a condition is expected, not nothing");
            }
            is_valid = false;
            continue;
        };
        let condition = (filtered, text.to_owned());
        // Each is checked, so that every error is reported.
        if let Err(error) = FilterGroup::new(error_mode, std::slice::from_ref(&condition)) {
            element.error(error.to_string());
            is_valid = false;
        }
        conditions.push(condition);
    }
    let is_used = is_valid && !conditions.is_empty();
    is_used.then(|| FilterGroup::new(error_mode, &conditions).ok()).flatten()
}

/// The Collector's type of the processor.
const TYPE: &str = "filter";

const KEYS: &[&str] = &[
    "error_mode",
    "trace_conditions",
    "traces",
    "spans",
    "metrics",
    "logs",
    "profiles",
    "metric_conditions",
    "log_conditions",
    "profile_conditions",
];
const OTHER_SIGNALS: &[&str] =
    &["metrics", "logs", "profiles", "metric_conditions", "log_conditions", "profile_conditions"];
