//! The encoding of a request body, from its headers.

use http::HeaderMap;

/// The encoding of a request body: `Content-Encoding`, or `grpc-encoding`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    /// Only with the feature `zstd`.
    Zstd,
    Unknown,
}

impl Encoding {
    /// RFC 9110, 8.4: a list in any number of lines, in any case, whose empty members (5.6.1) and
    /// `identity` have no effect; `x-gzip` is `gzip` (8.4.1.3).
    ///
    /// More than one coding counts as unknown: no client has a reason to send two, and the limits
    /// would have to apply to each.
    pub fn of(headers: &HeaderMap, name: &str) -> Self {
        let mut found = Self::Identity;
        let lines = headers.get_all(name).iter();
        for coding in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')) {
            let coding = coding.trim_ascii();
            if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
            found = match () {
                () if found != Self::Identity => return Self::Unknown,
                () if is("gzip") || is("x-gzip") => Self::Gzip,
                () if is("zstd") && cfg!(feature = "zstd") => Self::Zstd,
                () => return Self::Unknown,
            };
        }
        found
    }
}
