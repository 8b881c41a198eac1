//! Masks and hashes, appended to a text.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;

/// The key of hashes, prepared. Nothing shows it.
#[derive(Clone)]
pub(crate) struct HashKey(Hmac<Sha256>);

impl HashKey {
    /// A key of any length.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// A number that differs for other keys.
    pub(crate) fn fingerprint(&self) -> u64 {
        let digest = self.0.clone().finalize().into_bytes();
        digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// The hashes of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hash<'m> {
    key: &'m HashKey,
    /// The bytes of the digest that are retained.
    bytes: usize,
}

impl<'m> Hash<'m> {
    pub(super) fn new(key: &'m HashKey, bytes: usize) -> Self {
        Self { key, bytes }
    }
}

/// A text whose secret parts are replaced.
#[derive(Debug)]
pub(crate) struct Masking<'m> {
    out: &'m mut Vec<u8>,
    /// `None`: secrets are masked.
    hash: Option<Hash<'m>>,
}

impl<'m> Masking<'m> {
    pub(super) fn new(out: &'m mut Vec<u8>, hash: Option<Hash<'m>>) -> Self {
        Self { out, hash }
    }

    /// Appends text that is no secret.
    pub(crate) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Appends the mask, or the hash of a secret.
    pub(crate) fn secret(&mut self, secret: &str) {
        self.secret_bytes(secret.as_bytes());
    }

    /// The same for bytes that may be no text.
    pub(super) fn secret_bytes(&mut self, secret: &[u8]) {
        let Some(Hash { key: HashKey(key), bytes }) = self.hash else {
            return self.out.extend_from_slice(MASK);
        };
        let mut hash = key.clone();
        hash.update(secret);
        let digest = hash.finalize().into_bytes();
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
        let digits = digest.iter().take(bytes);
        self.out.extend(digits.flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    }

    pub(super) fn appended(&self, from: usize) -> Option<&[u8]> {
        self.out.get(from..)
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }
}

/// The mask of the Collector's processor `redaction`.
pub(super) const MASK: &[u8] = b"****";
