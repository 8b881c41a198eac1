//! The places of fields in a file, for an explanation.

use super::super::explain::{FileOrigins, Origin};
use spanwise_config::{Document, Field};

/// Maps a path of the table of settings.
pub(super) type PathOf = for<'p> fn(&'p str) -> Option<&'p str>;

/// Finds the fields of `document`; `path_of` is the path in this kind of file for one of the table of settings.
pub(super) fn origins(document: Document, path_of: PathOf) -> FileOrigins {
    Box::new(move |path| {
        let path = path_of(path)?;
        let found = document.read(|root| {
            let field = find(root, path)?;
            Some(Origin::File {
                path: document.name().to_owned(),
                line: field.key_position().line,
                field: field.path().to_owned(),
                variables: field.variables().into_iter().map(str::to_owned).collect(),
            })
        });
        found.ok().and_then(|read| read.value)
    })
}

/// The field at `path`, in the form of the table of settings: `*` is the one key of a mapping.
pub(super) fn find<'d>(root: Field<'d>, path: &str) -> Option<Field<'d>> {
    let found = path.split('.').try_fold(root, |field, step| {
        let (key, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((key, index)) => (key, Some(index.parse::<usize>().ok()?)),
            None => (step, None),
        };
        let entries = if field.is_sequence() { Vec::new() } else { field.entries() };
        let mut entries = entries.into_iter();
        let (_, value) = match key {
            "*" => entries.next(),
            key => entries.find(|(name, _)| *name == key),
        }?;
        match index {
            None => Some(value),
            Some(index) => value.sequence().into_iter().nth(index),
        }
    });
    found.filter(Field::exists)
}
