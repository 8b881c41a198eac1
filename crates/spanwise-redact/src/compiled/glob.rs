//! Key globs, matched in linear time.

use memchr::memmem::Finder;

/// A glob of `*` and literal bytes.
#[derive(Debug)]
pub(super) struct Glob {
    /// The bytes before the first `*`; all bytes if there is none.
    prefix: Box<[u8]>,
    /// The parts between two `*`.
    inner: Vec<Finder<'static>>,
    /// The bytes after the last `*`. `None`: there is no `*`.
    suffix: Option<Box<[u8]>>,
}

impl Glob {
    /// A glob without `?`.
    pub(super) fn new(glob: &str) -> Self {
        let mut parts = glob.split('*').map(str::as_bytes);
        let prefix = parts.next().unwrap_or_default().into();
        let suffix = parts.next_back().map(Box::from);
        let inner = parts.filter(|part| !part.is_empty());
        Self { prefix, inner: inner.map(|part| Finder::new(part).into_owned()).collect(), suffix }
    }

    /// The bytes that every key with a match begins with, and those that it ends with.
    pub(super) fn ends(&self) -> (&[u8], &[u8]) {
        (&self.prefix, self.suffix.as_deref().unwrap_or(&self.prefix))
    }

    pub(super) fn is_match(&self, key: &[u8]) -> bool {
        let Some(suffix) = &self.suffix else { return *self.prefix == *key };
        let rest = key.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&**suffix));
        let Some(mut rest) = rest else { return false };
        self.inner.iter().all(|part| {
            // The first place leaves most for the parts that follow.
            let found = part.find(rest).and_then(|at| rest.get(at + part.needle().len()..));
            found.map(|after| rest = after).is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_bytes() {
        for (glob, keys, others) in [
            ("a.b", &["a.b"][..], &["a.bc", "xa.b", "a.B", "aXb", ""][..]),
            ("a*", &["a", "ab", "a\n"], &["ba", ""]),
            ("*a", &["a", "ba"], &["ab", ""]),
            ("*a*", &["a", "xax"], &["", "b"]),
            ("ab*ba", &["abba", "abxba"], &["aba", "ab", "ba"]),
            ("a*b*c*d", &["abcd", "axbxcxd", "abbcbcd"], &["acbd", "abc", "bcd"]),
            ("*a*aa*", &["aaa", "xaxaax"], &["aa", "axa"]),
            ("**", &["", "x"], &[]),
            ("é*", &["é", "éa"], &["e", "\u{e8}"]),
        ] {
            for key in keys {
                assert!(Glob::new(glob).is_match(key.as_bytes()), "{glob} {key:?}");
            }
            for key in others {
                assert!(!Glob::new(glob).is_match(key.as_bytes()), "{glob} {key:?}");
            }
        }
    }
}
