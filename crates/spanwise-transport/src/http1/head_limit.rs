//! Limits what a server sends before the head of its response.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::tcp::ReadObserver;

/// Limits the bytes that a connection reads while a request waits for the head of its response: hyper limits one
/// head, and reads interim ones (RFC 9110, 15.2) for as long as they come, which costs the time of its thread.
#[derive(Debug, Clone)]
pub(super) struct HeadLimit(Arc<AtomicUsize>);

impl HeadLimit {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(MAX_BYTES)))
    }

    /// A request is about to be sent.
    pub(super) fn begin(&self) {
        // ORDER: Relaxed; the bytes of a response arrive after its request was sent.
        self.0.store(MAX_BYTES, Relaxed);
    }

    /// The head of the response was received: its body has limits of its own.
    pub(super) fn end(&self) {
        self.0.store(UNLIMITED, Relaxed);
    }
}

impl ReadObserver for HeadLimit {
    fn observe(&mut self, bytes: &[u8]) -> io::Result<()> {
        let left = |left: usize| match left {
            UNLIMITED => Some(UNLIMITED),
            left => left.checked_sub(bytes.len()),
        };
        let observed = self.0.fetch_update(Relaxed, Relaxed, left);
        observed.map(drop).map_err(|_| io::Error::other(HeadTooLarge))
    }
}

/// The error of a connection whose server sends interim responses without an end.
#[derive(Debug)]
pub(crate) struct HeadTooLarge;

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the head of the answer is too large")
    }
}

impl std::error::Error for HeadTooLarge {}

/// Maximum bytes: four times the largest head, or one and what hyper reads of a body before it hands over the
/// head.
const MAX_BYTES: usize = 256 << 10;
const UNLIMITED: usize = usize::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_before_the_head_are_limited_and_those_of_a_body_are_not() {
        let limit = HeadLimit::new();
        let mut observer = limit.clone();
        let kib = [0; 1024];
        for _ in 0..2 {
            limit.begin();
            assert!((0..256).all(|_| observer.observe(&kib).is_ok()));
            assert!(observer.observe(&kib[..1]).is_err());
            limit.end();
            assert!((0..1000).all(|_| observer.observe(&kib).is_ok()));
        }
    }
}
