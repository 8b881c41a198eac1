//! The pipeline of traces, and the components that it names.

use super::component::{Component, kind};
use spanwise_config::{Field, Mapping, hint};

/// The one pipeline of traces.
#[derive(Default)]
pub(super) struct Pipeline<'d> {
    pub(super) receivers: Vec<Component<'d>>,
    pub(super) processors: Vec<Component<'d>>,
    pub(super) exporters: Vec<Component<'d>>,
}

impl<'d> Pipeline<'d> {
    /// Finds the pipeline and its components in the sections of a file.
    pub(super) fn find(pipelines: &Field<'d>, root: &Mapping<'d>) -> Self {
        let pipelines = pipelines.clone().required();
        let mut traces = Vec::new();
        let is_mapping = !pipelines.is_sequence() && pipelines.source().is_none();
        if pipelines.has_value() && !is_mapping {
            pipelines.error("a mapping of pipelines is expected, such as `traces:`");
        }
        for (name, field) in if is_mapping { pipelines.entries() } else { Vec::new() } {
            match kind(name) {
                "traces" => traces.push(field),
                kind @ ("metrics" | "logs" | "profiles") => {
                    field.error(format!("it is not supported: the node receives traces alone; {kind} need a Collector"));
                }
                other => field.error(format!(
                    "unknown signal{}; accepted is `traces`",
                    hint(other, &["traces"])
                )),
            }
        }
        let mut traces = traces.into_iter();
        let Some(first) = traces.next() else {
            if pipelines.has_value() && is_mapping {
                pipelines.error("a pipeline `traces` is required");
            }
            return Self::default();
        };
        for further in traces {
            further.error("a second pipeline of traces is not supported: the node has one; a second node with a file of its own, or the role `both` of a spanwise-node file, has another");
        }
        let mapping = first.mapping(&["receivers", "processors", "exporters"]);
        let components = |key: &str, is_required: bool| {
            let names = mapping.get(key);
            let names = if is_required { names.required() } else { names };
            if is_required && names.is_sequence() && names.sequence().is_empty() {
                names.error("at least one is required");
            }
            named(key, &names, &root.get(key))
        };
        Self {
            receivers: components("receivers", true),
            processors: components("processors", false),
            exporters: components("exporters", true),
        }
    }
}

/// The components that a list names, in its order. Those of the section that it does not name are warnings.
pub(super) fn named<'d>(
    section_name: &str,
    names: &Field<'d>,
    section: &Field<'d>,
) -> Vec<Component<'d>> {
    let defined = section.entries();
    let mut components: Vec<Component<'d>> = Vec::new();
    for (name, reference) in list(names) {
        if components.iter().any(|component| component.name == name) {
            reference.error("it is in the list already");
            continue;
        }
        match defined.iter().find(|(key, _)| *key == name) {
            Some((_, field)) => components.push(Component::new(name, reference, field.clone())),
            None => {
                let known: Vec<&str> = defined.iter().map(|(key, _)| *key).collect();
                reference
                    .error(format!("`{section_name}` has no such component{}", hint(name, &known)));
            }
        }
    }
    for (name, field) in &defined {
        if !components.iter().any(|component| component.name == *name) {
            field.warning("it has no effect: `service` does not name it");
        }
    }
    components
}

/// The names of a list; an element of another type is reported.
fn list<'d>(field: &Field<'d>) -> Vec<(&'d str, Field<'d>)> {
    let elements = field.sequence().into_iter();
    let named = elements.filter_map(|element| {
        let Some(name) = element.string() else {
            if !element.has_value() {
                element.error("the name of a component is expected, not nothing");
            }
            return None;
        };
        Some((name, element))
    });
    named.collect()
}
