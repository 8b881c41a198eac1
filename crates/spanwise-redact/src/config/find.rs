//! The block of a file that has the rules.

use super::{redaction_processor, section};
use spanwise_config::Field;

/// A block, by its form.
pub(super) enum Block<'d> {
    /// Our own.
    Section(Field<'d>),
    /// The Collector's processor `redaction`.
    Redaction(Field<'d>),
    /// The Collector's processor `attributes`.
    Attributes(Field<'d>),
}

/// The block of a file, of its `processors`, or alone. `None` after an error.
pub(super) fn find<'d>(root: &Field<'d>, processor: Option<&str>) -> Option<Block<'d>> {
    let entries = root.entries();
    let has = |keys: &[&str]| entries.iter().any(|(key, _)| keys.contains(key));
    let entry = |name: &str| entries.iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    let blocks = match entry("processors") {
        Some(processors) => processors.entries(),
        // A block without its name.
        None if has(section::KEYS) => return Some(Block::Section(root.clone())),
        None if has(redaction_processor::KEYS) => return Some(Block::Redaction(root.clone())),
        None if has(&["actions"]) => return Some(Block::Attributes(root.clone())),
        None => entries,
    };
    let known = blocks.iter().filter_map(|(key, field)| Some((*key, block(key, field)?)));
    let mut found: Vec<(&str, Block<'d>)> =
        known.filter(|(key, _)| processor.is_none_or(|name| name == *key)).collect();
    match found.len() {
        1 => found.pop().map(|(_, block)| block),
        0 => {
            let missing = match processor {
                Some(name) => {
                    format!("no processor `{name}` of the type `redaction` or `attributes`")
                }
                None => "no section `redaction`, and no processor `redaction` or `attributes`"
                    .to_owned(),
            };
            root.error(format!("the file has {missing}"));
            None
        }
        _ => {
            let names: Vec<String> = found.iter().map(|(key, _)| format!("`{key}`")).collect();
            let names = names.join(", ");
            root.error(format!("the file has several processors: choose one of {names}"));
            None
        }
    }
}

/// The block of a key, `redaction` or `redaction/name`.
pub(super) fn block<'d>(key: &str, field: &Field<'d>) -> Option<Block<'d>> {
    let field = field.clone();
    match key.split_once('/').map_or(key, |(kind, _)| kind) {
        // Another type is reported when the block is read.
        "redaction" if key == "redaction" && is_section(&field) => Some(Block::Section(field)),
        "redaction" => Some(Block::Redaction(field)),
        "attributes" => Some(Block::Attributes(field)),
        _ => None,
    }
}

/// Whether a block `redaction` is ours: it has none of the keys of the Collector's.
fn is_section(field: &Field<'_>) -> bool {
    // The reader of the section reports another type.
    let is_mapping = !field.is_sequence() && field.source().is_none();
    let entries = if is_mapping { field.entries() } else { Vec::new() };
    !entries.iter().any(|(key, _)| redaction_processor::KEYS.contains(key))
}
