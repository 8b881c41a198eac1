//! The bearer token of a request.

use crate::settings::Secret;
use spanwise_receiver::Headers;
use std::hint::black_box;

/// Whether the request has this token (RFC 6750, 2.1). The time that it takes depends on the request alone.
pub(super) fn has_token(headers: &Headers, token: &Secret) -> bool {
    let value = headers.get("authorization").unwrap_or_default();
    let Some((scheme, given)) = value.split_at_checked(SCHEME.len()) else { return false };
    scheme.eq_ignore_ascii_case(SCHEME) && is_equal(given.trim_ascii(), token.0.as_bytes())
}

/// Compares all bytes of `given`, whichever of them differs.
fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    if expected.is_empty() {
        return false;
    }
    let pairs = given.iter().zip(expected.iter().cycle());
    let differences = pairs.fold(0, |sum, (one, other)| black_box(sum | (one ^ other)));
    black_box(differences) == 0 && given.len() == expected.len()
}

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_are_all_bytes_or_none() {
        assert!(is_equal(b"secret", b"secret"));
        for other in ["", "s", "secre", "secret ", "secretsecret", "Secret"] {
            assert!(!is_equal(other.as_bytes(), b"secret"), "{other}");
        }
        assert!(!is_equal(b"", b""));
    }
}
