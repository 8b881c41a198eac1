//! Warnings about references to variables that have no value.

use crate::findings::MAX_FINDINGS;
use crate::names::hint;
use crate::node::{Content, Node};
use crate::path::join;
use crate::position::Position;
use crate::problem::Problem;
use crate::substitution::Environment;

/// A reference without a default to a variable without a value: an empty text replaces it, as the specification requires.
#[derive(Debug)]
pub(crate) struct Unset {
    pub name: String,
    /// Where its scalar begins.
    pub position: Position,
}

/// A warning for each of `unset`, with the path of its value and a name of `candidates` that is near and has a value in
/// `environment`. A value that the tree does not have has no effect, and no warning.
pub(crate) fn warnings(
    file: &str,
    root: &Node,
    unset: &[Unset],
    candidates: impl Fn() -> Vec<String>,
    environment: &Environment<'_>,
) -> Vec<Problem> {
    if unset.is_empty() {
        return Vec::new();
    }
    let candidates = candidates();
    let mut hints: Vec<(&str, String)> = Vec::new();
    let mut warnings = Vec::new();
    visit(root, "", &mut |position, path| {
        let already = |warning: &Problem| warning.position == position;
        // An alias repeats its values.
        if warnings.len() >= MAX_FINDINGS || warnings.iter().any(already) {
            return;
        }
        for Unset { name, .. } in unset.iter().filter(|unset| unset.position == position) {
            let known = hints.iter().find(|(known, _)| known == name);
            let hint = match known.map(|(_, hint)| hint.clone()) {
                Some(hint) => hint,
                // The distance to each name of a large environment takes time.
                None if hints.len() >= MAX_HINTS => String::new(),
                None => {
                    let found = near(name, &candidates, environment);
                    hints.push((name, found.clone()));
                    found
                }
            };
            let message = format!(
                "an empty text replaces ${{{name}}}: the variable has no value{hint}; ${{{name}:-}} has an empty default"
            );
            let (file, path) = (file.to_owned(), path.to_owned());
            warnings.push(Problem { file, position, path, message });
        }
    });
    warnings
}

/// `; did you mean …?` for a variable that has a value.
fn near(name: &str, candidates: &[String], environment: &Environment<'_>) -> String {
    let is_near =
        |known: &&str| *known != name && known.len().abs_diff(name.len()) <= name.len() / 3 + 1;
    let known: Vec<&str> = candidates.iter().map(String::as_str).filter(is_near).collect();
    let is_set = |known: &&str| environment(known).is_some_and(|value| !value.is_empty());
    let known: Vec<&str> = known.into_iter().filter(is_set).collect();
    hint(name, &known)
}

/// Calls `each` with the position and the path of every scalar with a substitution.
fn visit(node: &Node, path: &str, each: &mut impl FnMut(Position, &str)) {
    match &node.content {
        Content::Scalar { is_substituted: true, .. } => each(node.position, path),
        Content::Scalar { .. } => {}
        Content::Sequence(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                visit(node, &format!("{path}[{index}]"), each);
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                visit(&entry.value, &join(path, &entry.shown_key()), each);
            }
        }
    }
}

/// The most variables for which the nearest one is searched.
const MAX_HINTS: usize = 8;
