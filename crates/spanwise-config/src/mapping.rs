//! A mapping whose keys the schema knows.

use std::fmt;
use std::rc::Rc;

use crate::field::Field;
use crate::findings::Findings;
use crate::names::{hint, listed};
use crate::node::{Content, Entry};
use crate::path::{join, shown_key};
use crate::position::Position;

/// The fields of a mapping, from [`Field::mapping`].
#[derive(Clone)]
pub struct Mapping<'d> {
    pub(crate) entries: &'d [Entry],
    pub(crate) position: Position,
    pub(crate) path: String,
    pub(crate) known: &'d [&'d str],
    pub(crate) findings: Rc<Findings>,
}

/// The place without the values, which may be secrets.
impl fmt::Debug for Mapping<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} at {})", self.path, self.position)
    }
}

impl<'d> Mapping<'d> {
    /// The field of a key, which need not be there. The key is one of those given to [`Field::mapping`].
    pub fn get(&self, key: &str) -> Field<'d> {
        debug_assert!(self.known.contains(&key), "`{key}` is not in the list of known keys");
        let path = join(&self.path, &shown_key(key));
        match self.entries.iter().find(|entry| *entry.key == *key) {
            Some(entry) => Field::of_entry(entry, path, &self.findings),
            None => Field::absent(self.position, path, &self.findings),
        }
    }
}

impl<'d> Field<'d> {
    /// The mapping, without entries if there is no value; any key but `known` is an error that names the
    /// nearest known one.
    pub fn mapping(&self, known: &'d [&'d str]) -> Mapping<'d> {
        let entries = self.mapping_entries();
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            let hint = hint(&entry.key, known);
            let (shown, message) = match (hint.is_empty(), entry.may_be_value) {
                // A slip of a known name is no secret.
                (false, _) => (shown_key(&entry.key), hint),
                (true, false) => (shown_key(&entry.key), accepted(known)),
                (true, true) => (entry.shown_key(), format!("{}; {QUOTES}", accepted(known))),
            };
            let path = join(self.path(), &shown);
            self.findings.error(entry.position, path, format!("unknown key{message}"));
        }
        let Self { path, findings, .. } = self;
        Mapping {
            entries,
            position: self.position(),
            path: path.clone(),
            known,
            findings: Rc::clone(findings),
        }
    }

    /// The one key of a mapping that chooses a kind, such as `batch:` or `simple:`, with its value.
    pub fn kind(&self, known: &'d [&'d str]) -> Option<(&'d str, Self)> {
        let mapping = self.mapping(known);
        match mapping.entries {
            [entry] => known
                .iter()
                .find(|known| ***known == *entry.key)
                .map(|known| (*known, mapping.get(known))),
            // The type was wrong, and has been reported.
            [] if !matches!(
                self.value().map(|node| &node.content),
                None | Some(Content::Mapping(_))
            ) =>
            {
                None
            }
            [] => self.expected(&format!("exactly one of {}", listed(known))),
            _ => {
                let found: Vec<String> = mapping.entries.iter().map(Entry::shown_key).collect();
                let found = found.iter().map(String::as_str).take(MAX_SHOWN).collect::<Vec<_>>();
                self.error(format!(
                    "exactly one of {} is expected, not {} keys: {}",
                    listed(known),
                    mapping.entries.len(),
                    found.join(", ")
                ));
                None
            }
        }
    }

    /// The entries of a mapping with any keys; none if there is no value.
    pub fn entries(&self) -> Vec<(&'d str, Self)> {
        let entry = |entry: &'d Entry| {
            let path = join(self.path(), &entry.shown_key());
            let mut field = Self::of_entry(entry, path, &self.findings);
            field.is_secret = self.is_secret;
            (&*entry.key, field)
        };
        self.mapping_entries().iter().map(entry).collect()
    }

    fn mapping_entries(&self) -> &'d [Entry] {
        match self.value().map(|node| &node.content) {
            None => &[],
            Some(Content::Mapping(entries)) => entries,
            Some(_) => {
                self.expected_nodes("a mapping (lines of `key: value`)");
                &[]
            }
        }
    }
}

fn accepted(known: &[&str]) -> String {
    format!("; accepted is {}", listed(known))
}

/// The most keys that a message shows.
const MAX_SHOWN: usize = 8;
const QUOTES: &str = "a value with a comma needs quotes between braces";
