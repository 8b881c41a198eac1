//! The events of the sender.

use crate::answer::Meaning;
use spanwise_export::sans_io::RequestId;
use spanwise_ledger::DropReason;
use spanwise_transport::Delivery;

/// The spans of a request that is sent.
#[derive(Debug)]
pub struct SentSpans {
    /// The spans.
    pub spans: Vec<u64>,
    /// The receiver may have them from an earlier request.
    pub was_ambiguous: bool,
    /// They are those of a request that was refused as too large.
    pub is_part: bool,
}

/// A request that ended, and the outcomes of its spans that the judge accepts.
#[derive(Debug)]
pub struct Ended {
    /// The request.
    pub id: RequestId,
    /// Its spans.
    pub spans: Vec<u64>,
    /// Its bytes, with the prefix of gRPC.
    pub bytes: usize,
    /// `None` if the task that sent it panicked.
    pub delivery: Option<Delivery>,
    /// Spans that count as exported.
    pub exported: u64,
    /// The reasons for which the other spans may count as lost.
    pub reasons: Vec<DropReason>,
    /// The receiver refused it as too large.
    pub refused: Option<Refusal>,
}

/// A request that the receiver refused as too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Bytes of the request, with the prefix of gRPC.
    pub bytes: usize,
    /// The receiver may have its spans.
    pub is_ambiguous: bool,
}

/// Spans that the receiver has stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// The spans.
    pub spans: Vec<u64>,
    /// Whether the sender may send them again without a fault of its own.
    pub may_repeat: bool,
}

/// An event of the sender.
#[derive(Debug)]
pub enum SenderEvent {
    /// An attempt began.
    Began(RequestId, u32),
    /// An attempt ended.
    AttemptEnded(RequestId, Meaning),
    /// The receiver stored spans.
    Stored(Stored),
    /// A request ended.
    Ended(Ended),
}
