//! The requests that the receiver refused as too large, as the exporter documents what follows.

use crate::sender_event::Refusal;
use crate::violation::{Checked, require};
use spanwise_transport::PREFIX;
use std::collections::VecDeque;

/// The refused requests of a world.
#[derive(Debug, Default)]
pub(super) struct Splits {
    /// The spans of each that are in no new request yet, and the maximum bytes of its new requests.
    requests: VecDeque<(Vec<u64>, usize)>,
    /// Refusals since the last accepted request.
    in_a_row: u32,
    /// The maximum bytes of a request from now on.
    max_bytes: Option<usize>,
    /// Requests that were accepted since it changed.
    accepted: u32,
    /// It was raised, and no larger request than before was accepted yet.
    is_tried: bool,
    /// Tries in a row that were refused.
    failed_tries: u32,
}

impl Splits {
    /// A request of `bytes` bytes was accepted: after many, a larger one is tried.
    pub(super) fn accepted(&mut self, bytes: usize) {
        self.in_a_row = 0;
        let Some(max_bytes) = self.max_bytes else { return };
        if self.is_tried && bytes > max_bytes / 2 {
            (self.is_tried, self.failed_tries) = (false, 0);
        }
        self.accepted += 1;
        if self.accepted >= TRY_AFTER << self.failed_tries {
            (self.accepted, self.is_tried) = (0, true);
            self.max_bytes = Some(2 * max_bytes);
        }
    }

    /// A request was refused, by the transport that is in use or an earlier one. Returns whether it has to be split.
    pub(super) fn refused(&mut self, spans: &[u64], refusal: Refusal, is_present: bool) -> bool {
        self.in_a_row += 1;
        let half = refusal.bytes / 2;
        let limit = half.max(LEAST_MAX_BYTES);
        if is_present {
            self.max_bytes = Some(self.max_bytes.unwrap_or(limit).min(limit));
            self.accepted = 0;
            if std::mem::take(&mut self.is_tried) {
                self.failed_tries = (self.failed_tries + 1).min(6);
            }
        }
        let is_hopeless = self.in_a_row > MAX_IN_A_ROW && refusal.bytes <= LEAST_MAX_BYTES;
        let is_split = spans.len() > 1 && !is_hopeless;
        if is_split {
            self.requests.push_front((spans.to_vec(), half));
        }
        is_split
    }

    /// A request leaves, whose spans waited for it. `is_alone`: the endpoint has no others beside it, so that
    /// the request was made just now. Returns whether its spans are those of a refused request.
    pub(super) fn sent(&mut self, ids: &[u64], bytes: usize, is_alone: bool) -> Checked<bool> {
        let mut limit = if is_alone { self.max_bytes } else { None };
        let is_part = match self.requests.front_mut() {
            Some((waiting, max_bytes)) if is_alone || waiting.first() == ids.first() => {
                let is_first = waiting.starts_with(ids);
                require(is_first, "the spans of a refused request come first", || {
                    format!("{} spans wait", waiting.len())
                })?;
                waiting.drain(..ids.len());
                limit = Some(limit.unwrap_or(usize::MAX).min(*max_bytes));
                if waiting.is_empty() {
                    self.requests.pop_front();
                }
                true
            }
            _ => false,
        };
        let limit = limit.unwrap_or(usize::MAX);
        let is_small = ids.len() == 1 || bytes + PREFIX <= limit;
        require(is_small, "a request has at most half of the bytes that were refused", || {
            format!("{bytes} bytes, at most {limit}")
        })?;
        Ok(is_part)
    }

    /// Whether the last of the refused requests has this number of spans that are in no new request.
    pub(super) fn would_give_up(&self, spans: u64) -> bool {
        self.requests.back().is_some_and(|(waiting, _)| waiting.len() as u64 == spans)
    }

    /// The spans of the request that is given up.
    pub(super) fn give_up(&mut self) -> Vec<u64> {
        self.requests.pop_back().map(|(spans, _)| spans).unwrap_or_default()
    }

    /// A limit is forgotten with the setting that exceeded it.
    pub(super) fn retuned(&mut self, before: usize, after: usize) {
        if before != after {
            self.replaced();
        }
    }

    /// The limit of an endpoint is not that of the next one.
    pub(super) fn replaced(&mut self) {
        (self.max_bytes, self.accepted) = (None, 0);
        (self.is_tried, self.failed_tries) = (false, 0);
    }

    /// The exporter has booked all spans.
    pub(super) fn clear(&mut self) {
        self.requests.clear();
    }
}

/// The smallest limit of a request that refusals lead to.
const LEAST_MAX_BYTES: usize = 64 << 10;
/// Accepted requests before a larger one is tried.
const TRY_AFTER: u32 = 256;
/// Refusals in a row after which a small request is lost whole.
const MAX_IN_A_ROW: u32 = 128;
