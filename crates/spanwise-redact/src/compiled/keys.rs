//! Which rules apply to a key: an automaton, and a table of the keys seen first.

use super::pattern::{limits, of_key, syntax};
use super::rule_set::RuleSet;
use crate::rule::Rule;
use regex_automata::{Input, MatchKind, PatternSet, meta};
use std::sync::OnceLock;

/// The rules of each key.
#[derive(Debug)]
pub(super) struct KeyMatcher {
    /// The rules without key patterns, which apply to every key.
    always: RuleSet,
    automaton: Option<meta::Regex>,
    /// The rule of each pattern of the automaton.
    owners: Vec<usize>,
    /// The keys that were seen first, each with its rules. A program has few keys; those beyond the table cost a search.
    seen: Box<[OnceLock<Seen>]>,
}

/// A key with its rules.
type Seen = (Box<[u8]>, RuleSet);

impl KeyMatcher {
    /// A matcher of these rules, whose patterns [compile](super::pattern::compile).
    ///
    /// # Errors
    /// The patterns are too large together.
    pub(super) fn new(rules: &[Rule]) -> Result<Self, String> {
        let mut always = RuleSet::default();
        let (mut patterns, mut owners) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            if rule.keys.is_empty() {
                always.insert(index);
            }
            patterns.extend(rule.keys.iter().map(of_key));
            owners.resize(patterns.len(), index);
        }
        let automaton = match patterns.as_slice() {
            [] => None,
            patterns => {
                let mut builder = meta::Builder::new();
                let builder =
                    builder.syntax(syntax()).configure(limits().match_kind(MatchKind::All));
                Some(builder.build_many(patterns).map_err(|error| error.to_string())?)
            }
        };
        let slots = if automaton.is_some() { SLOTS } else { 0 };
        let seen = (0..slots).map(|_| OnceLock::new()).collect();
        Ok(Self { always, automaton, owners, seen })
    }

    /// The rules without key patterns.
    pub(super) fn always(&self) -> RuleSet {
        self.always
    }

    /// The rules that apply to attributes with this key.
    #[inline]
    pub(super) fn rules(&self, key: &[u8]) -> RuleSet {
        if self.automaton.is_none() {
            return self.always;
        }
        let first = hash(key);
        for probe in 0..PROBES {
            let slot = self.seen.get((first + probe) % SLOTS).and_then(OnceLock::get);
            match slot {
                Some((seen, rules)) if **seen == *key => return *rules,
                Some(_) => {}
                None => break,
            }
        }
        self.search(key, first)
    }

    #[cold]
    fn search(&self, key: &[u8], first: usize) -> RuleSet {
        let mut rules = self.always;
        if let Some(automaton) = &self.automaton {
            let mut patterns = PatternSet::new(automaton.pattern_len());
            automaton.which_overlapping_matches(&Input::new(key), &mut patterns);
            let owners = patterns.iter().filter_map(|pattern| self.owners.get(pattern.as_usize()));
            owners.for_each(|owner| rules.insert(*owner));
        }
        if key.len() <= MAX_SEEN {
            let probes = (0..PROBES).filter_map(|probe| self.seen.get((first + probe) % SLOTS));
            let free = probes.into_iter().find(|slot| slot.get().is_none());
            // Another thread may be faster.
            let _stored = free.map(|slot| slot.set((key.into(), rules)));
        }
        rules
    }
}

/// The first slot of a key.
#[inline]
fn hash(key: &[u8]) -> usize {
    let (chunks, rest) = key.as_chunks::<8>();
    let mut state = key.len() as u64;
    let mut mix = |word: u64| state = (state.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    chunks.iter().for_each(|chunk| mix(u64::from_le_bytes(*chunk)));
    if !rest.is_empty() {
        mix(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    (state >> 40) as usize
}

/// A number without pattern: the fraction of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Slots of the table, a power of two: 24 KiB, and up to 256 bytes for each key.
const SLOTS: usize = 512;
/// Slots that a key may have.
const PROBES: usize = 4;
/// The longest key in the table, in bytes.
const MAX_SEEN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Action, Rule};

    fn indexes(matcher: &KeyMatcher, key: &str) -> Vec<usize> {
        let rules = matcher.rules(key.as_bytes());
        assert_eq!(rules, matcher.rules(key.as_bytes()), "the second time, from the table");
        rules.iter().collect()
    }

    #[test]
    fn a_key_has_the_rules_of_all_its_patterns() {
        let rules = [
            Rule::delete(["http.request.header.*"]),
            Rule::new(Action::Mask),
            Rule::mask(["a?c", "http.*"]),
            Rule::new(Action::Mask).with_key_regex("(?i)passw(or)?d"),
        ];
        let matcher = KeyMatcher::new(&rules).unwrap();
        for (key, expected) in [
            ("http.request.header.cookie", vec![0, 1, 2]),
            ("http.request", vec![1, 2]),
            ("xhttp.request", vec![1]),
            ("abc", vec![1, 2]),
            ("aéc", vec![1, 2]),
            ("abbc", vec![1]),
            ("a\nc", vec![1, 2]),
            ("user.PASSWD.old", vec![1, 3]),
            ("", vec![1]),
        ] {
            assert_eq!(indexes(&matcher, key), expected, "{key:?}");
        }
    }

    #[test]
    fn keys_beyond_the_table_have_their_rules_too() {
        let matcher = KeyMatcher::new(&[Rule::delete(["*7"])]).unwrap();
        for key in 0..5_000 {
            let key = format!("key{key}");
            assert_eq!(!indexes(&matcher, &key).is_empty(), key.ends_with('7'), "{key}");
        }
        let long = format!("{}7", "x".repeat(100_000));
        assert_eq!(indexes(&matcher, &long), [0]);
    }
}
