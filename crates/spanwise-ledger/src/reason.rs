use std::fmt;

/// Reason why a recorded span was dropped instead of exported. The list is complete: no span is
/// lost for a reason that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// The byte budget was used up: the receiver or the network is slower than the program. Lower
    /// the sampling ratio, raise the budget, or speed up the receiver. Until memory is free again,
    /// spans are refused at their start: their contexts are not sampled, so that spans below them
    /// follow, here and in other services, and count as sampled out.
    QueueBytes,
    /// The queue holds `max_queue_size` spans (`OTEL_BSP_MAX_QUEUE_SIZE`, `with_max_queue_size`).
    /// Raise it, or leave it unset: then only the byte budget counts. Spans are refused at their
    /// start as for [`QueueBytes`](Self::QueueBytes).
    QueueFull,
    /// The queue shed the trace at its root, before the byte budget or the queue was used up
    /// (`OnFull::ShedByTrace`): this process records no span of the trace. Spans below the root count as
    /// sampled out. The trace states of the traces that the queue accepts meanwhile have the threshold that
    /// corrects counts. Lower the sampling ratio, raise the budget, or speed up the receiver.
    Shed,
    /// Other threads held all shards and the spill queue was full: far more threads than cores end
    /// spans at the same instant. Rare; raise the number of shards if it is not.
    Contended,
    /// The receiver answered every attempt until the request's deadline with a retryable status, or
    /// could not be reached. Check that it is up and not overloaded.
    RetryDeadline,
    /// The receiver rejected the request for good (400, 401, 403, 404 and others). Check the endpoint, its
    /// path and the credentials.
    Rejected,
    /// The receiver answered with a redirect, which the transport never follows. Set the endpoint it names.
    Redirect,
    /// The request was larger than the receiver accepts. Raise its limit or lower the request size.
    TooLarge,
    /// The receiver accepted the request and reported these of its spans as rejected (partial
    /// success). Its log has the cause.
    PartialRejected,
    /// An attempt was sent and got no response, and no later one was accepted: the receiver may or may
    /// not have the spans. Check its load, and the timeout.
    AmbiguousTimeout,
    /// The request was sent and its response could not be decoded: the receiver may or may not have
    /// the spans. Look for a proxy in between.
    AmbiguousResponse,
    /// Shutdown reached its deadline after the request was sent: the receiver may or may not have
    /// the spans. Give it more time.
    AmbiguousShutdown,
    /// The response exceeded the size limit: the receiver may or may not have the spans. The peer
    /// is probably not an OTLP receiver.
    ResponseTooLarge,
    /// The TLS handshake failed. Check certificates, names and dates.
    Tls,
    /// The transport failed in another way. The latest error has the details.
    Transport,
    /// The exporter or a custom sink panicked: the receiver may or may not have the spans.
    ExporterPanic,
    /// The worker thread could not be started or has died. Check thread and memory limits.
    WorkerUnavailable,
    /// The span ended after shutdown. Call `shutdown` later, or stop the work earlier.
    AfterShutdown,
    /// Shutdown reached its deadline with these spans still unsent. Give it more time.
    ShutdownDeadline,
    /// The trace id or the span id of the span is all zero, which receivers reject together with the rest of
    /// a request. The stock SDK's id generator was replaced by a defective one, or a span was made by hand.
    InvalidId,
    /// More spans of `tracing` were open than the layer tracks (`with_max_open_spans`): the program leaks spans, or
    /// needs a higher maximum. Or a sampler or a processor starts spans whose starts call it again, without an end.
    TooManyOpenSpans,
    /// The spool had stored the spans on disk and removed them, the oldest first, because it had reached its maximum of bytes
    /// (`SPANWISE_SPOOL_MAX_BYTES`) or the disk was full. Raise it, or bring the receiver back sooner.
    SpoolEvicted,
    /// The spool had stored the spans on disk and removed them, because they had reached the maximum age
    /// (`SPANWISE_SPOOL_MAX_AGE`). Raise it, or bring the receiver back sooner.
    SpoolExpired,
    /// The spool could not store the spans or not read them back: the disk reported an error, or the stored bytes are
    /// corrupt. The diagnostics have the error.
    SpoolIo,
    /// An earlier process ended without a shutdown, and its spans were not on disk: its boot ledger has their number. The
    /// receiver may have some of them. Spans that a process creates between two updates of its boot ledger are not counted.
    Crash,
    /// The tickets of the span were dropped without an outcome: a bug in Spanwise or in a custom
    /// exporter. Please report it.
    Leaked,
}

impl DropReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [DropReason; 26] = [
        DropReason::QueueBytes,
        DropReason::QueueFull,
        DropReason::Shed,
        DropReason::Contended,
        DropReason::RetryDeadline,
        DropReason::Rejected,
        DropReason::Redirect,
        DropReason::TooLarge,
        DropReason::PartialRejected,
        DropReason::AmbiguousTimeout,
        DropReason::AmbiguousResponse,
        DropReason::AmbiguousShutdown,
        DropReason::ResponseTooLarge,
        DropReason::Tls,
        DropReason::Transport,
        DropReason::ExporterPanic,
        DropReason::WorkerUnavailable,
        DropReason::AfterShutdown,
        DropReason::ShutdownDeadline,
        DropReason::InvalidId,
        DropReason::TooManyOpenSpans,
        DropReason::SpoolEvicted,
        DropReason::SpoolExpired,
        DropReason::SpoolIo,
        DropReason::Crash,
        DropReason::Leaked,
    ];

    /// The name in metrics and tables.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::QueueBytes => "queue_bytes",
            DropReason::QueueFull => "queue_full",
            DropReason::Shed => "shed",
            DropReason::Contended => "contended",
            DropReason::RetryDeadline => "retry_deadline",
            DropReason::Rejected => "rejected",
            DropReason::Redirect => "redirect",
            DropReason::TooLarge => "too_large",
            DropReason::PartialRejected => "partial_rejected",
            DropReason::AmbiguousTimeout => "ambiguous_timeout",
            DropReason::AmbiguousResponse => "ambiguous_response",
            DropReason::AmbiguousShutdown => "ambiguous_shutdown",
            DropReason::ResponseTooLarge => "response_too_large",
            DropReason::Tls => "tls",
            DropReason::Transport => "transport",
            DropReason::ExporterPanic => "exporter_panic",
            DropReason::WorkerUnavailable => "worker_unavailable",
            DropReason::AfterShutdown => "after_shutdown",
            DropReason::ShutdownDeadline => "shutdown_deadline",
            DropReason::InvalidId => "invalid_id",
            DropReason::TooManyOpenSpans => "too_many_open_spans",
            DropReason::SpoolEvicted => "spool_evicted",
            DropReason::SpoolExpired => "spool_expired",
            DropReason::SpoolIo => "spool_io",
            DropReason::Crash => "crash",
            DropReason::Leaked => "leaked",
        }
    }

    /// Whether the receiver may have stored the spans: their request was sent and got no usable response, or they were lost on
    /// disk, where a request without a response is stored too. Every other reason means that it has not.
    pub const fn is_ambiguous(self) -> bool {
        matches!(
            self,
            DropReason::AmbiguousTimeout
                | DropReason::AmbiguousResponse
                | DropReason::AmbiguousShutdown
                | DropReason::ResponseTooLarge
                | DropReason::ExporterPanic
                | DropReason::SpoolEvicted
                | DropReason::SpoolExpired
                | DropReason::SpoolIo
                | DropReason::Crash
        )
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_list_is_complete_and_in_order() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason}");
        }
        // `name` matches exhaustively, so a variant added there but not to ALL fails here.
        assert_eq!(DropReason::Leaked as usize + 1, DropReason::ALL.len());
    }

    #[test]
    fn names_are_distinct_snake_case() {
        let names: HashSet<_> = DropReason::ALL.into_iter().map(DropReason::name).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }
}
