//! The block of a processor in a file of the Collector.

use spanwise_config::Field;

/// The block of the processor `kind`, or of the one with the name `processor`: of `processors` or the root of a file, or alone.
pub(crate) fn find<'d>(root: &Field<'d>, kind: &str, processor: Option<&str>) -> Option<Field<'d>> {
    let entries = root.entries();
    let entry = |name: &str| entries.iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    let is_kind =
        |key: &str| key == kind || key.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/'));
    let processors = match entry("processors") {
        Some(processors) => processors.entries(),
        None if entries.iter().any(|(key, _)| is_kind(key)) => entries,
        // A block without its name.
        None if !is_node(&entries) => return Some(root.clone()),
        None => entries,
    };
    let mut found: Vec<_> = processors.into_iter().filter(|(key, _)| is_kind(key)).collect();
    if let Some(name) = processor {
        found.retain(|(key, _)| *key == name);
    }
    match found.as_slice() {
        [(_, field)] => Some(field.clone()),
        [] => {
            let name = processor.unwrap_or(kind);
            root.error(format!("the file has no processor `{name}`"));
            None
        }
        several => {
            let names: Vec<String> = several.iter().map(|(key, _)| format!("`{key}`")).collect();
            root.error(format!(
                "the file has several processors: choose one of {}",
                names.join(", ")
            ));
            None
        }
    }
}

/// Whether a file without `processors` is one of `spanwise-node`, which has blocks at its root.
fn is_node(entries: &[(&str, Field<'_>)]) -> bool {
    entries.iter().any(|(key, _)| ["destinations", "gateway", "receivers", "role"].contains(key))
}
