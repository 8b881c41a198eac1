//! The memory of one request, and the response that its client waits for.

use http::HeaderMap;

use crate::budget::Charge;
use crate::refusal::Refusal;
use crate::watch::Watch;

/// What a request holds: its headers, its stream, and its body when that comes.
pub(crate) struct Place {
    pub charge: Charge,
    /// Bytes of headers that are to be charged.
    headers: usize,
    /// Bytes of headers that are part of what every connection may hold.
    pub free: usize,
    /// Bytes that stay until the answer is out.
    pub stream: usize,
}

impl Place {
    pub fn of(headers: &HeaderMap, watch: &Watch) -> Self {
        let names = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = names.map(|bytes| 2 * bytes + HEADER_BYTES).sum::<usize>();
        let free = bytes.min(FREE_HEADER_BYTES);
        let stream = if watch.requests() > FREE_STREAMS { STREAM_BYTES } else { 0 };
        Self { charge: watch.charge().request(), headers: bytes - free, free, stream }
    }

    /// Charges what is there already: while it waited for memory it would take it.
    pub fn take(&self) -> Result<(), Refusal> {
        let bytes = self.headers + self.stream;
        if bytes == 0 || self.charge.try_grow(bytes) {
            return Ok(());
        }
        self.charge.ask_for(bytes);
        Err(Refusal::Overloaded)
    }
}

/// An answer that a connection waits for, until it is dropped.
pub(crate) struct Owed<'a>(&'a Charge);

impl<'a> Owed<'a> {
    pub fn new(connection: &'a Charge) -> Self {
        connection.owe();
        Self(connection)
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}

/// Requests of a connection that are part of its own 128 KiB, and what any other takes with its
/// answer.
const FREE_STREAMS: usize = 8;
const STREAM_BYTES: usize = 12 << 10;
/// Headers that are part of it too, and what each takes in a map.
const FREE_HEADER_BYTES: usize = 4 << 10;
const HEADER_BYTES: usize = 256;
