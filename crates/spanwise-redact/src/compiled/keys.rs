//! The rules that apply to a key.

use super::glob::Glob;
use super::key_sieve::KeySieve;
use super::pattern::{compile, of_glob, parse};
use super::rule_set::RuleSet;
use super::seen::Seen;
use crate::rule::KeyPattern;
use regex_automata::meta;
use std::borrow::Cow;

/// The rules of each key.
#[derive(Debug)]
pub(super) struct KeyMatcher {
    /// The rules without key patterns, which apply to every key.
    always: RuleSet,
    patterns: Vec<(KeyTest, usize)>,
    /// `None` without patterns, or if a key with any bytes may match.
    sieve: Option<KeySieve>,
    /// `None` without patterns.
    seen: Option<Seen>,
}

/// A compiled key pattern.
#[derive(Debug)]
pub(super) enum KeyTest {
    Glob(Glob),
    /// A glob in lower case, for keys in any case.
    GlobOfAnyCase(Glob),
    Regex(Box<meta::Regex>),
}

impl KeyMatcher {
    /// A matcher of patterns, each with the index of its rule.
    pub(super) fn new(always: RuleSet, patterns: Vec<(KeyTest, usize)>) -> Self {
        let seen = (!patterns.is_empty()).then(Seen::new);
        let ends = patterns.iter().map(|(test, _)| match test {
            KeyTest::Glob(glob) => (glob.ends(), false),
            KeyTest::GlobOfAnyCase(glob) => (glob.ends(), true),
            KeyTest::Regex(_) => ((&[][..], &[][..]), false),
        });
        let sieve = KeySieve::new(ends);
        Self { always, patterns, sieve, seen }
    }

    /// The rules without key patterns.
    #[inline]
    pub(super) fn always(&self) -> RuleSet {
        self.always
    }

    /// The rules that apply to attributes with this key.
    #[inline]
    pub(super) fn rules(&self, key: &[u8]) -> RuleSet {
        match &self.seen {
            Some(seen) => seen.rules(key, || self.search(key)),
            None => self.always,
        }
    }

    /// The same if it is known without a search.
    #[inline(always)]
    pub(super) fn known(&self, key: &[u8]) -> Option<RuleSet> {
        if self.sieve.as_ref().is_some_and(|sieve| !sieve.may_match(key)) {
            return Some(self.always);
        }
        match &self.seen {
            Some(seen) => seen.known(key),
            None => Some(self.always),
        }
    }

    #[cold]
    #[inline(never)]
    fn search(&self, key: &[u8]) -> RuleSet {
        let mut rules = self.always;
        let has_upper = key.iter().any(u8::is_ascii_uppercase);
        let lower = if has_upper { Cow::Owned(key.to_ascii_lowercase()) } else { key.into() };
        for (test, rule) in &self.patterns {
            if !rules.contains(*rule) && test.is_match(key, &lower) {
                rules.insert(*rule);
            }
        }
        rules
    }
}

impl KeyTest {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The problem, in words.
    pub(super) fn new(pattern: &KeyPattern) -> Result<Self, String> {
        let regex = |text: &str| Ok(Self::Regex(Box::new(compile(&parse(text)?)?)));
        match pattern {
            KeyPattern::Regex(text) => regex(text),
            KeyPattern::Glob(glob) if glob.contains('?') => regex(&of_glob(glob)),
            KeyPattern::Glob(glob) => Ok(Self::Glob(Glob::new(glob))),
            KeyPattern::GlobOfAnyCase(glob) => Ok(Self::GlobOfAnyCase(Glob::new(glob))),
        }
    }

    /// Whether a key matches; `lower` is the key in lower case.
    fn is_match(&self, key: &[u8], lower: &[u8]) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(key),
            Self::GlobOfAnyCase(glob) => glob.is_match(lower),
            Self::Regex(regex) => regex.is_match(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexes(matcher: &KeyMatcher, key: &str) -> Vec<usize> {
        let rules = matcher.rules(key.as_bytes());
        assert_eq!(rules, matcher.rules(key.as_bytes()), "the second time, from the table");
        (0..128).filter(|rule| rules.contains(*rule)).collect()
    }

    fn glob(text: &'static str) -> KeyPattern {
        KeyPattern::Glob(text.into())
    }

    fn matcher(patterns: &[(KeyPattern, usize)], always: usize) -> KeyMatcher {
        let mut set = RuleSet::default();
        set.insert(always);
        let patterns = patterns.iter().map(|(key, rule)| (KeyTest::new(key).unwrap(), *rule));
        KeyMatcher::new(set, patterns.collect())
    }

    #[test]
    fn a_key_has_the_rules_of_all_its_patterns() {
        let patterns = [
            (glob("http.request.header.*"), 0),
            (glob("a?c"), 2),
            (glob("http.*"), 2),
            (KeyPattern::Regex("(?i)passw(or)?d".into()), 3),
            (KeyPattern::GlobOfAnyCase("*-session"), 4),
            (glob("a.b"), 5),
        ];
        let matcher = matcher(&patterns, 1);
        for (key, expected) in [
            ("http.request.header.cookie", vec![0, 1, 2]),
            ("http.request", vec![1, 2]),
            ("xhttp.request", vec![1]),
            ("abc", vec![1, 2]),
            ("aéc", vec![1, 2]),
            ("abbc", vec![1]),
            ("a\nc", vec![1, 2]),
            ("user.PASSWD.old", vec![1, 3]),
            ("X-Session", vec![1, 4]),
            ("x-session", vec![1, 4]),
            ("x-sessions", vec![1]),
            ("A.B", vec![1]),
            ("", vec![1]),
        ] {
            assert_eq!(indexes(&matcher, key), expected, "{key:?}");
        }
    }

    #[test]
    fn keys_in_any_case_pass_the_sieve() {
        let patterns = [(KeyPattern::GlobOfAnyCase("ab*yz"), 0), (glob("cd*wx"), 2)];
        let matcher = matcher(&patterns, 1);
        for key in ["ab.yz", "AB.yz", "aB.Yz"] {
            assert_eq!(indexes(&matcher, key), [0, 1], "{key}");
            assert_eq!(matcher.known(key.as_bytes()), Some(matcher.rules(key.as_bytes())));
        }
        assert_eq!(indexes(&matcher, "CD.wx"), [1]);
        assert_eq!(indexes(&matcher, "cd.wx"), [1, 2]);
    }

    #[test]
    fn keys_beyond_the_table_have_their_rules_too() {
        let matcher = matcher(&[(glob("*7"), 0)], 5);
        for key in 0..5_000 {
            let key = format!("key{key}");
            assert_eq!(indexes(&matcher, &key).len() == 2, key.ends_with('7'), "{key}");
        }
        let long = format!("{}7", "x".repeat(100_000));
        assert_eq!(indexes(&matcher, &long), [0, 5]);
    }
}
