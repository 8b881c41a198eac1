//! One automaton over the value patterns of all rules: does any of them match?

use super::pattern::{limits, syntax};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::syntax::Config;
use regex_automata::{Input, MatchKind, meta};

/// Answers for a value whether any of several patterns may have a match in it, in one pass over its bytes.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The patterns as one table, which costs a load for each byte.
    table: Option<dense::DFA<Vec<u32>>>,
    /// Patterns that no table of the allowed size can hold.
    others: Option<meta::Regex>,
}

impl Scanner {
    /// A scanner of patterns that [compile](super::pattern::compile).
    ///
    /// # Errors
    /// They are too large together.
    pub(super) fn new(patterns: &[&str]) -> Result<Self, String> {
        let (mut fitting, mut others): (Vec<&str>, Vec<&str>) =
            patterns.iter().copied().partition(|pattern| table(&[pattern]).is_some());
        let mut built = table(&fitting);
        while built.is_none() && !fitting.is_empty() {
            others.extend(fitting.pop());
            built = table(&fitting);
        }
        let others = match others.as_slice() {
            [] => None,
            others => {
                let mut builder = meta::Builder::new();
                let builder = builder.syntax(syntax()).configure(limits());
                Some(builder.build_many(others).map_err(|error| error.to_string())?)
            }
        };
        Ok(Self { table: built.filter(|_| !fitting.is_empty()), others })
    }

    /// Whether a pattern may have a match in these bytes.
    #[inline]
    pub(super) fn is_match(&self, bytes: &[u8]) -> bool {
        let in_table = self.table.as_ref().is_some_and(|table| {
            let input = Input::new(bytes).earliest(true);
            // A table that gives up says nothing: the rules look themselves.
            !matches!(table.try_search_fwd(&input), Ok(None))
        });
        in_table || self.others.as_ref().is_some_and(|others| others.is_match(bytes))
    }
}

/// The patterns as one table, if it is small enough.
fn table(patterns: &[&str]) -> Option<dense::DFA<Vec<u32>>> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(MAX_TABLE))
        .determinize_size_limit(Some(MAX_TABLE));
    let syntax: Config = syntax();
    dense::Builder::new().configure(config).syntax(syntax).build_many(patterns).ok()
}

/// The largest table, in bytes; the caches of a processor hold the part that is in use.
const MAX_TABLE: usize = 2 << 20;
