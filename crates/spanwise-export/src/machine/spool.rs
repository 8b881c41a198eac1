//! The state of the spool behind the machine: requests that are being stored, and the record that is sent again.

use crate::machine::in_flight::InFlightRequest;
use crate::machine::memory::Charged;
use crate::metrics::EndpointMetrics;
use crate::ticket_guard::TicketGuard;
use spanwise_batch::Charge;
use spanwise_ledger::DropReason;
use spanwise_transport::FramedRequest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The spool, as the machine knows it.
pub(super) struct Spool {
    phase: Phase,
    /// Requests that the spool has and has not stored yet.
    storing: BTreeMap<u64, Storing>,
    next_id: u64,
    /// Bytes of `storing`, and the most of them: a disk that hangs must leave memory for the requests that a receiver accepts.
    storing_bytes: usize,
    max_storing_bytes: usize,
    /// A read may find a record.
    pub(super) has_records: bool,
    /// Of the present record.
    pub(super) replay: Replay,
    /// Bytes of memory to read a record into.
    pub(super) read_bytes: Option<usize>,
    /// Whether the receiver accepted the last request to the first destination.
    pub(super) is_up: bool,
    /// A live request is sent before the next record.
    pub(super) yields: bool,
    /// The receiver may have spans on disk: of a request without a response, or of an earlier process.
    pub(super) may_be_delivered: bool,
    /// Replays of the present record that failed while the receiver accepted other requests.
    failures: u32,
    /// A live request was accepted since the replay was sent.
    is_overtaken: bool,
    /// The next probe of a receiver that is down, and the wait before the one after it.
    pub(super) next_probe: Instant,
    probe_wait: Duration,
    /// Requests were stored since the receiver accepted a request.
    pub(super) is_outage: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Unavailable,
}

/// The record that is sent again: one at a time.
pub(super) enum Replay {
    None,
    /// It is being read into this memory.
    Reading(Charged),
    /// It is in a request, or in several: a receiver refused it as too large.
    Sending {
        is_split: bool,
    },
}

/// A request that is being stored.
pub(super) struct Storing {
    tickets: TicketGuard,
    first_chunk: u64,
    bytes: usize,
    pub(super) is_replay: bool,
    /// It is a copy of the present record, which stays on disk if the copy is not stored.
    is_copy: bool,
    /// Memory that the chunk of a large span was charged for, and its request is in.
    #[expect(dead_code, reason = "held for its drop")]
    charge: Option<Arc<Charge>>,
}

impl Spool {
    /// A spool that is being opened. At most `max_storing_bytes` bytes of requests wait for the disk, or one request.
    pub(super) fn new(max_storing_bytes: usize, now: Instant) -> Self {
        Self {
            phase: Phase::Opening,
            storing: BTreeMap::new(),
            next_id: 0,
            storing_bytes: 0,
            max_storing_bytes,
            has_records: false,
            replay: Replay::None,
            read_bytes: None,
            is_up: false,
            yields: false,
            may_be_delivered: false,
            failures: 0,
            is_overtaken: false,
            next_probe: now,
            probe_wait: MIN_PROBE_WAIT,
            is_outage: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn opened(&mut self) {
        self.phase = Phase::Open;
    }

    /// It stores nothing any more, and neither the requests that it has not answered for.
    pub(super) fn unavailable(&mut self) {
        self.phase = Phase::Unavailable;
        self.has_records = false;
        self.drop_all();
    }

    /// Whether it may store another request of this length.
    pub(super) fn accepts(&self, bytes: usize) -> bool {
        let is_within = self.storing_bytes.saturating_add(bytes) <= self.max_storing_bytes;
        self.may_store() && (is_within || self.storing.is_empty())
    }

    /// Whether it may store requests, now or once it is open.
    pub(super) fn may_store(&self) -> bool {
        self.phase != Phase::Unavailable
    }

    /// Whether requests wait for the disk.
    pub(super) fn is_storing(&self) -> bool {
        !self.storing.is_empty()
    }

    /// Spans that wait for the disk.
    pub(super) fn storing_spans(&self) -> u64 {
        self.storing.values().map(|request| request.tickets.spans()).sum()
    }

    /// All chunks below this number have their outcomes or are on disk, as far as these requests are concerned.
    pub(super) fn settled_before(&self) -> u64 {
        self.storing.values().map(|request| request.first_chunk).min().unwrap_or(u64::MAX)
    }

    /// Adds a request that is to be stored. Returns its number, its bytes and its spans.
    pub(super) fn store(&mut self, request: InFlightRequest) -> (u64, FramedRequest, u64) {
        let InFlightRequest { tickets, first_chunk, bytes, request, is_replay, charge, .. } =
            request;
        let (id, spans) = (self.next_id, tickets.spans());
        self.next_id += 1;
        self.storing_bytes += bytes;
        let is_copy = is_replay && !self.is_split();
        let storing = Storing { tickets, first_chunk, bytes, is_replay, is_copy, charge };
        self.storing.insert(id, storing);
        (id, request, spans)
    }

    /// The spool has answered for a request.
    pub(super) fn stored(&mut self, id: u64) -> Option<Storing> {
        let request = self.storing.remove(&id)?;
        self.storing_bytes -= request.bytes;
        Some(request)
    }

    /// Whether a part of the record waits for the disk.
    pub(super) fn is_storing_replay(&self) -> bool {
        self.storing.values().any(|request| request.is_replay)
    }

    /// The receiver accepted a request: `is_replay` if it was one that had been on disk.
    pub(super) fn accepted(&mut self, is_replay: bool) {
        self.is_up = true;
        self.probe_wait = MIN_PROBE_WAIT;
        match is_replay {
            true => self.failures = 0,
            false => self.is_overtaken = true,
        }
    }

    /// The receiver did not accept a request: `is_probe` if it was one that had been on disk.
    pub(super) fn failed(&mut self, now: Instant, is_probe: bool) {
        self.is_up = false;
        self.next_probe = self.next_probe.max(now + self.probe_wait);
        if is_probe {
            self.probe_wait = (self.probe_wait * 2).min(MAX_PROBE_WAIT);
        }
    }

    /// The receiver rejected a request: stored spans are not spent on a receiver that rejects what it gets.
    pub(super) fn rejected(&mut self, now: Instant) {
        self.is_up = false;
        self.next_probe = now + WAIT_AFTER_REJECTION;
    }

    /// The record is in a request.
    pub(super) fn sending(&mut self) {
        self.replay = Replay::Sending { is_split: false };
        self.is_overtaken = false;
    }

    /// Whether the record, which failed once more, is to be stored behind the others: the receiver accepts other requests.
    pub(super) fn is_last_failure(&mut self) -> bool {
        self.failures += u32::from(self.is_overtaken);
        let is_last = self.failures >= MAX_FAILURES;
        if is_last {
            self.failures = 0;
        }
        is_last
    }

    /// Whether parts of the record are sent, or stored, one by one.
    pub(super) fn is_split(&self) -> bool {
        matches!(self.replay, Replay::Sending { is_split: true })
    }

    pub(super) fn split(&mut self) {
        self.replay = Replay::Sending { is_split: true };
    }

    /// Books the spans of all requests that it has not answered for as lost.
    pub(super) fn drop_all(&mut self) {
        self.storing_bytes = 0;
        for request in std::mem::take(&mut self.storing).into_values() {
            let _is_on_disk = request.lost();
        }
    }
}

impl Storing {
    /// Books the spans as stored.
    pub(super) fn on_disk(self, endpoint: Option<&Arc<EndpointMetrics>>) {
        self.tickets.spooled(endpoint);
    }

    /// Books the spans as lost, unless the record that has them is still on disk. Returns whether it is.
    pub(super) fn lost(self) -> bool {
        match self.is_copy {
            true => self.tickets.given_up(DropReason::SpoolIo),
            false => self.tickets.dropped(DropReason::SpoolIo),
        }
        self.is_copy
    }
}

/// The wait before the first probe of a receiver that is down; it doubles up to the maximum.
const MIN_PROBE_WAIT: Duration = Duration::from_secs(1);
const MAX_PROBE_WAIT: Duration = Duration::from_secs(10);
/// The wait before the next probe of a receiver that rejects requests, and gets none of live spans.
const WAIT_AFTER_REJECTION: Duration = Duration::from_secs(30);
/// Replays of one record that may fail while the receiver accepts other requests, before it is stored behind the others.
const MAX_FAILURES: u32 = 3;
