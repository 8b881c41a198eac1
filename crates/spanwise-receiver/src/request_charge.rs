//! The memory of one request, and its pending response.

use http::HeaderMap;

use crate::budget::Charge;
use crate::refusal::Refusal;
use crate::watch::Watch;

/// The charge of a request: its headers, its stream, and its body once that arrives.
pub(crate) struct RequestCharge {
    pub charge: Charge,
    /// Bytes of headers to charge.
    headers: usize,
    /// Bytes of headers that are part of the uncharged memory of every connection.
    pub free: usize,
    /// Bytes held until the response is sent.
    pub stream: usize,
}

impl RequestCharge {
    pub fn of(headers: &HeaderMap, watch: &Watch) -> Self {
        let names = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = names.map(|bytes| 2 * bytes + HEADER_BYTES).sum::<usize>();
        let free = bytes.min(FREE_HEADER_BYTES);
        let stream = if watch.requests() > FREE_STREAMS { STREAM_BYTES } else { 0 };
        Self { charge: watch.charge().request(), headers: bytes - free, free, stream }
    }

    /// Charges headers and stream, which are in memory already. It does not wait, because a waiting
    /// request would use memory too.
    pub fn try_charge(&self) -> Result<(), Refusal> {
        let bytes = self.headers + self.stream;
        if bytes == 0 || self.charge.try_grow(bytes) {
            return Ok(());
        }
        self.charge.evict_others_for(bytes);
        Err(Refusal::Overloaded)
    }
}

/// A pending response of a connection, until this is dropped.
pub(crate) struct PendingResponse<'a>(&'a Charge);

impl<'a> PendingResponse<'a> {
    pub fn new(connection: &'a Charge) -> Self {
        connection.begin_response();
        Self(connection)
    }
}

impl Drop for PendingResponse<'_> {
    fn drop(&mut self) {
        self.0.finish_response();
    }
}

/// Requests of a connection that are part of its own 128 KiB, and the bytes of any other with its
/// response.
const FREE_STREAMS: usize = 8;
const STREAM_BYTES: usize = 12 << 10;
/// Bytes of headers that are part of it too, and the bytes of each in a map.
const FREE_HEADER_BYTES: usize = 4 << 10;
const HEADER_BYTES: usize = 256;
