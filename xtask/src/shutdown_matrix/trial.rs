//! One run: a provider with queued spans, shut down, and its account.

use super::cell::{Behaviour, Cell};
use spanwise::{Compression, DropReason, FlushError, Protocol, Report, Spanwise, SpanwiseBuilder};
use spanwise::{Snapshot, SpanKind};
use std::time::{Duration, Instant};

/// One run of a cell.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) cell: Cell,
    pub(super) variant: Variant,
    pub(super) endpoint: String,
}

/// A number that selects the settings in which the runs of a cell differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant(pub(super) u32);

impl Variant {
    fn is_grpc(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the collector shows the other one of its two faults.
    pub(super) fn other_fault(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether the call is in the other one of the context's two places.
    pub(super) fn other_place(self) -> bool {
        self.0 & 4 != 0
    }

    fn is_gzip(self) -> bool {
        self.0 & 8 != 0
    }

    /// Whether the diagnostics handler blocks, as standard error does when it is a full pipe.
    fn has_slow_handler(self) -> bool {
        self.0 % 5 == 4
    }
}

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The time from the deadline to the return of the call; zero if it returned before.
    pub(super) overshoot: Duration,
    pub(super) exported: u64,
    /// Spans that were lost and that the collector may have.
    pub(super) ambiguous: u64,
    /// The first rule that the run broke.
    pub(super) problem: Option<String>,
}

impl Trial {
    /// A provider with spans in its queue, none of them in a request.
    ///
    /// # Errors
    /// Those of the builder.
    pub(super) fn prepare(&self) -> Result<Spanwise, String> {
        let spanwise = self.builder().build().map_err(|error| error.to_string())?;
        make_spans(&spanwise);
        Ok(spanwise)
    }

    /// The settings of the run's provider.
    pub(super) fn builder(&self) -> SpanwiseBuilder {
        let protocol = if self.variant.is_grpc() { Protocol::Grpc } else { Protocol::HttpProtobuf };
        let is_slow = self.variant.has_slow_handler();
        let builder = Spanwise::builder()
            .with_environment(|_| None)
            .with_service_name("shutdown-matrix")
            .with_protocol(protocol)
            .with_endpoint(self.endpoint.as_str())
            .with_shutdown_timeout(self.cell.deadline)
            // Spans stay in the queue until the shutdown.
            .with_scheduled_delay(Duration::from_secs(3600))
            .with_diagnostics(move |_| {
                if is_slow {
                    std::thread::sleep(Duration::from_secs(1));
                }
            });
        match self.variant.is_gzip() {
            true => builder.with_compression(Compression::Gzip),
            false => builder,
        }
    }

    /// Shuts down, measures the call, and checks the account afterwards.
    pub(super) fn shut_down(&self, spanwise: &Spanwise) -> Outcome {
        let started = Instant::now();
        let result = spanwise.shutdown_timeout(self.cell.deadline);
        self.account(spanwise, started.elapsed(), Some(&result))
    }

    /// The outcome of a call that took `elapsed`. `result` is `None` for the drop of a guard, which
    /// discards it.
    pub(super) fn account(
        &self,
        spanwise: &Spanwise,
        elapsed: Duration,
        result: Option<&Result<Report, FlushError>>,
    ) -> Outcome {
        let at_return = spanwise.ledger();
        let ledger = wait_until_idle(spanwise);
        let problem = result
            .and_then(|result| self.of_result(result))
            .or_else(|| of_snapshot(&at_return))
            .or_else(|| self.of_ledger(&ledger));
        Outcome {
            overshoot: elapsed.saturating_sub(self.cell.deadline),
            exported: ledger.exported,
            ambiguous: ledger.ambiguous(),
            problem,
        }
    }

    fn of_result(&self, result: &Result<Report, FlushError>) -> Option<String> {
        match result {
            Ok(report) if report.ledger.in_flight > 0 => Some(format!("incomplete: {report}")),
            Ok(_) | Err(FlushError::Timeout(_)) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// The law of the ledger, and the outcomes that the collector's behaviour allows.
    fn of_ledger(&self, ledger: &Snapshot) -> Option<String> {
        if let Err(imbalance) = ledger.check() {
            return Some(imbalance.to_string());
        }
        if (ledger.created, ledger.in_flight) != (SPANS, 0) {
            return Some(format!("{} created, {} in flight", ledger.created, ledger.in_flight));
        }
        let behaviour = self.cell.behaviour;
        let accepts = matches!(behaviour, Behaviour::Up | Behaviour::Slow);
        if !accepts && ledger.exported > 0 {
            return Some(format!("{} exported to no collector", ledger.exported));
        }
        if accepts && self.cell.deadline >= AMPLE && ledger.exported < SPANS {
            return Some(format!("{} exported of {SPANS}", ledger.exported));
        }
        let mut reasons = ledger.drops().map(|(reason, _)| reason);
        let foreign = reasons.find(|reason| !allowed(behaviour).contains(reason))?;
        Some(format!("spans lost as {}", foreign.name()))
    }
}

/// The law of the ledger at any instant.
fn of_snapshot(ledger: &Snapshot) -> Option<String> {
    let ended = ledger.sampled_out + ledger.exported + ledger.dropped_total();
    (ledger.created != ended + ledger.in_flight).then(|| format!("no balance: {ledger}"))
}

/// The reasons for which a shutdown may lose spans.
fn allowed(behaviour: Behaviour) -> &'static [DropReason] {
    use DropReason::{
        AmbiguousResponse, AmbiguousShutdown, Rejected, RetryDeadline, ShutdownDeadline,
    };
    match behaviour {
        Behaviour::Down => &[ShutdownDeadline],
        Behaviour::Up | Behaviour::Slow | Behaviour::Hung | Behaviour::Dying => {
            &[ShutdownDeadline, AmbiguousShutdown]
        }
        Behaviour::Refusing => &[ShutdownDeadline, AmbiguousShutdown, Rejected, RetryDeadline],
        Behaviour::Garbage => &[ShutdownDeadline, AmbiguousShutdown, AmbiguousResponse],
    }
}

/// Makes the spans of a run.
pub(super) fn make_spans(spanwise: &Spanwise) {
    let tracer = spanwise.tracer("shutdown-matrix");
    for index in 0..SPANS {
        let mut span = tracer.root("queued", SpanKind::Internal);
        span.attribute("index", index as i64).attribute("text", "a value of a usual length");
        span.finish();
    }
}

/// A worker that the system did not schedule books its last spans late.
fn wait_until_idle(spanwise: &Spanwise) -> Snapshot {
    let started = Instant::now();
    while spanwise.ledger().in_flight > 0 && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    spanwise.ledger()
}

/// Spans of a run.
const SPANS: u64 = 100;
/// A deadline before which a collector that accepts has answered.
const AMPLE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);
