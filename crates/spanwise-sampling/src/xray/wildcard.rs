//! Patterns with `*` for any number of characters and `?` for one.

/// A pattern of a rule (X-Ray, *wildcards*). ASCII letters match in either case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard(String);

impl Wildcard {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// The pattern has only stars: it also matches an absent attribute.
    pub(super) fn is_any(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the pattern matches `text`. Only stars match `None`.
    pub(super) fn matches(&self, text: Option<&str>) -> bool {
        self.is_any() || text.is_some_and(|text| like(&self.0, text))
    }
}

/// Matches without an allocation. The worst case takes the product of both lengths.
fn like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // The position to retry from if the pattern behind the last star does not match: the star then
    // takes one more character.
    let mut again: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (before, ahead) = (text.clone(), pattern.next());
        match (ahead, text.next()) {
            (Some('*'), _) => {
                text = before;
                again = Some((pattern.clone(), text.clone()));
                continue;
            }
            (None, None) => return true,
            (Some('?'), Some(_)) => continue,
            (Some(wanted), Some(found)) if wanted.eq_ignore_ascii_case(&found) => continue,
            _ => {}
        }
        let Some((behind_star, at)) = &mut again else { return false };
        if at.next().is_none() {
            return false;
        }
        (pattern, text) = (behind_star.clone(), at.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_listed() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("?", "é", true),
            ("GET", "get", true),
            ("/cart/*", "/cart/", true),
            ("/cart/*", "/cart", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("a*b*c", "abbcbc", true),
            ("a*b*c", "abbcb", false),
            ("a?c*", "abcd", true),
            ("a?c*", "ac", false),
            ("*?*?*", "a", false),
            ("*ab", "aab", true),
        ] {
            assert_eq!(like(pattern, text), matches, "{pattern} {text}");
        }
        assert!(Wildcard::new("**").matches(None));
        assert!(!Wildcard::new("?*").matches(None) && !Wildcard::new("").matches(None));
    }

    /// The definition of a match, short and slow.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            (['*', rest @ ..], _) => (0..=text.len()).any(|skip| defined(rest, &text[skip..])),
            (['?', rest @ ..], [_, more @ ..]) => defined(rest, more),
            ([wanted, rest @ ..], [found, more @ ..]) => wanted == found && defined(rest, more),
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn every_match_agrees_with_the_definition(pattern in "[ab?*]{0,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(like(&pattern, &text), defined(&chars(&pattern), &chars(&text)));
        }
    }
}
