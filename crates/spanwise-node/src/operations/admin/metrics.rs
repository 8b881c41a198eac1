//! `/metrics`: Prometheus text or OpenMetrics. `docs/node.md` has the table.

use super::process::Process;
use crate::account::{
    Account, DestinationAccount, GatewayAccount, ReceiverAccount, SpoolAccount, SpoolState,
};
use crate::operations::state::{Phase, Shown, Source};
use spanwise_admin::__private::{Request, Response, Route, Runs};
use spanwise_ledger::{DropReason, Snapshot};
use spanwise_metrics::{
    Attribute, Metric, MetricData, MetricsSnapshot, NumberPoint, TextEncoder, TextFormat,
};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const ROUTES: &[Route<Shown>] =
    &[Route { path: "/metrics", runs: Runs::Inline, is_page: false, answer: metrics }];

fn metrics(source: &Shown, request: &Request) -> Response {
    let format = TextFormat::negotiate(&request.accept);
    let name = [Attribute::new("service.name", "spanwise-node")];
    let text = TextEncoder::new(format).with_resource(&name[..]).encode(&snapshot(source.as_ref()));
    Response::ok(format.content_type(), text).with_header("Vary", "Accept")
}

/// All metrics of a node.
pub(super) fn snapshot(source: &dyn Source) -> MetricsSnapshot {
    let about = source.about();
    let mut all =
        All { snapshot: MetricsSnapshot::new(nanos(about.started_at), nanos(SystemTime::now())) };
    let is_ready = source.phase() == Phase::Running && source.busy().is_none();
    all.gauge("spanwise_node_ready", "", "1 while /readyz answers 200", [one(u64::from(is_ready))]);
    all.process(about.started.elapsed().as_secs_f64());
    if let Some(account) = source.account() {
        all.receivers(&account);
        all.intake(&account);
        all.memory(&account);
        all.senders(&account);
        all.spools(&account);
    }
    let of_tail = source.tail().map(|(_, metrics)| metrics).unwrap_or_default();
    of_tail.into_iter().chain(source.gateway_metrics()).for_each(|metric| all.push(metric));
    all.snapshot
}

struct All {
    snapshot: MetricsSnapshot,
}

impl All {
    /// The numbers of the kernel, under the Collector's names.
    fn process(&mut self, uptime: f64) {
        let data = MetricData::Counter(vec![NumberPoint::new(uptime)]);
        self.push(
            Metric::new("otelcol_process_uptime", "s", data)
                .with_description("Time since the start"),
        );
        let Some(process) = Process::read() else { return };
        let data = MetricData::Counter(vec![NumberPoint::new(process.cpu_seconds)]);
        let cpu = Metric::new("otelcol_process_cpu_seconds", "s", data);
        self.push(cpu.with_description("User and system time of the process"));
        let resident = [one(process.resident_bytes)];
        self.gauge("otelcol_process_memory_rss", "By", "Resident memory of the process", resident);
    }

    fn receivers(&mut self, account: &Account) {
        type Value = fn(&ReceiverAccount) -> u64;
        let points = |value: Value| {
            let points = account.receivers.iter().map(|it| {
                one(value(it)).with_attributes([Attribute::new("receiver", it.name.clone())])
            });
            points.collect::<Vec<_>>()
        };
        self.counter(
            "spanwise_node_receiver_connections",
            "{connections}",
            "Connections that the receiver accepted",
            points(|it| it.connections),
        );
        let closed = account.receivers.iter().flat_map(|it| {
            it.closed.by_reason().map(|(reason, connections)| {
                let receiver = Attribute::new("receiver", it.name.clone());
                one(connections).with_attributes([receiver, Attribute::new("reason", reason)])
            })
        });
        self.counter(
            "spanwise_node_receiver_closed_connections",
            "{connections}",
            "Connections that the receiver closed because of a limit, an error, an attack or their age",
            closed.collect::<Vec<_>>(),
        );
        self.counter(
            "spanwise_node_receiver_rejected_requests",
            "{requests}",
            "Requests that the receiver answered with an error",
            points(|it| it.rejected_requests),
        );
        self.gauge(
            "spanwise_node_receiver_memory_bytes",
            "By",
            "Bytes of connections and of requests that are being read",
            points(|it| it.memory_bytes),
        );
    }

    fn intake(&mut self, account: &Account) {
        let intake = &account.intake;
        let receiver = || vec![Attribute::new("receiver", "otlp")];
        let refused = intake.refused();
        for (name, description, value) in [
            ("otelcol_receiver_accepted_spans", "Spans of accepted requests", intake.accepted),
            (
                "otelcol_receiver_refused_spans",
                "Spans of requests that were read and refused",
                refused,
            ),
        ] {
            self.counter(name, "{spans}", description, [one(value).with_attributes(receiver())]);
        }
        self.counter(
            "spanwise_node_refused_spans",
            "{spans}",
            "Spans of requests that were read and refused, by reason",
            [
                with(intake.refused_overloaded, "reason", "overloaded"),
                with(intake.refused_malformed, "reason", "malformed"),
                with(intake.refused_panicked, "reason", "panicked"),
            ],
        );
        self.counter(
            "spanwise_node_refused_requests",
            "{requests}",
            "Requests that were refused before their body was read",
            [
                with(intake.unauthorized_requests, "reason", "unauthorized"),
                with(intake.overloaded_requests, "reason", "overloaded"),
            ],
        );
        self.counter(
            "otelcol_processor_filter_spans.filtered",
            "{spans}",
            "Spans that a filter left out",
            [one(intake.filtered)],
        );
        self.counter(
            "spanwise_node_sampled_out_spans",
            "{spans}",
            "Spans that a probabilistic sampler did not sample",
            [one(intake.sampled_out)],
        );
        self.counter(
            "spanwise_node_unreadable_spans",
            "{spans}",
            "Accepted spans that a processor cannot read, which the node drops",
            [
                with(intake.unredactable, "processor", "redaction"),
                with(intake.malformed, "processor", "probabilistic_sampler"),
            ],
        );
        self.counter(
            "spanwise_node_passed_spans",
            "{spans}",
            "Spans that the stage behind the processors was handed, by their source",
            [
                with(intake.passed, "source", "clients"),
                with(intake.passed_from_peers, "source", "peers"),
            ],
        );
        if let Some(sampler) = &account.sampler {
            let dropped = sampler.dropped_by_reason();
            self.counter(
                "spanwise_node_sampler_dropped_spans",
                "{spans}",
                "Spans that tail sampling dropped, by reason",
                dropped.map(|(reason, spans)| with(spans, "reason", reason)),
            );
        }
    }

    fn memory(&mut self, account: &Account) {
        let memory = &account.memory;
        for (name, description, bytes) in [
            ("spanwise_node_memory_limit_bytes", "Memory of the settings", memory.limit_bytes),
            (
                "spanwise_node_budget_bytes",
                "The share of it that accepted requests may use",
                memory.budget_bytes,
            ),
            (
                "spanwise_node_budget_used_bytes",
                "Bytes of accepted requests now",
                memory.charged_bytes,
            ),
            (
                "spanwise_node_budget_peak_bytes",
                "The most bytes of accepted requests at once",
                memory.peak_bytes,
            ),
        ] {
            self.gauge(name, "By", description, [one(bytes)]);
        }
    }

    /// Destinations, and all peers together: those have a ledger.
    fn senders(&mut self, account: &Account) {
        let mut senders: Vec<Sender> = account.destinations.iter().map(Sender::of).collect();
        senders.extend(account.gateway.as_ref().map(Sender::of_peers));
        let points = |value: fn(&Sender) -> u64| {
            senders
                .iter()
                .map(move |it| one(value(it)).with_attributes(it.attributes()))
                .collect::<Vec<_>>()
        };
        self.counter(
            "otelcol_exporter_sent_spans",
            "{spans}",
            "Spans that the destination or peer acknowledged",
            points(|it| it.ledger.exported),
        );
        self.counter(
            "otelcol_exporter_send_failed_spans",
            "{spans}",
            "Spans that were lost after they were queued",
            points(|it| it.ledger.dropped_total() - not_queued(it)),
        );
        self.counter(
            "otelcol_exporter_enqueue_failed_spans",
            "{spans}",
            "Spans that were lost because the queue had no space",
            points(not_queued),
        );
        self.gauge(
            "otelcol_exporter_queue_size",
            "By",
            "Bytes that wait in memory",
            points(|it| it.queued_bytes),
        );
        self.gauge(
            "spanwise_node_exporter_up",
            "",
            "1 if the last request was accepted, or none has ended",
            points(|it| u64::from(it.is_up)),
        );
        self.counter(
            "spanwise_node_exporter_spans",
            "{spans}",
            "Spans that were handed to the destination or peer",
            points(|it| it.ledger.created),
        );
        self.counter(
            "spanwise_node_exporter_recovered_spans",
            "{spans}",
            "Spans of earlier processes that the spool had",
            points(|it| it.ledger.recovered),
        );
        self.gauge(
            "spanwise_node_exporter_spooled_spans",
            "{spans}",
            "Spans on disk now",
            points(|it| it.ledger.spooled),
        );
        self.gauge(
            "spanwise_node_exporter_in_flight_spans",
            "{spans}",
            "Spans in memory without an outcome",
            points(|it| it.ledger.in_flight),
        );
        let dropped = senders.iter().flat_map(|it| {
            it.ledger.drops().map(|(reason, spans)| {
                let mut attributes = it.attributes();
                attributes.push(Attribute::new("reason", reason.name()));
                one(spans).with_attributes(attributes)
            })
        });
        self.counter(
            "spanwise_node_exporter_dropped_spans",
            "{spans}",
            "Lost spans by reason",
            dropped.collect::<Vec<_>>(),
        );
    }

    fn spools(&mut self, account: &Account) {
        type Value = fn(&SpoolAccount) -> u64;
        let gauges: [(_, _, _, Value); 3] = [
            (
                "spanwise_node_spool_up",
                "",
                "1 while the disk behind the destination stores",
                |spool| u64::from(spool.state == SpoolState::Up),
            ),
            ("spanwise_node_spool_bytes", "By", "Bytes of its files", |spool| spool.bytes),
            ("spanwise_node_spool_limit_bytes", "By", "The most bytes of its files", |spool| {
                spool.limit_bytes
            }),
        ];
        for (name, unit, description, value) in gauges {
            let points = account.destinations.iter().filter_map(|it| {
                let exporter = Attribute::new("exporter", it.name.clone());
                Some(one(value(it.spool.as_ref()?)).with_attributes([exporter]))
            });
            self.gauge(name, unit, description, points.collect::<Vec<_>>());
        }
    }

    fn counter(
        &mut self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        points: impl Into<Vec<NumberPoint>>,
    ) {
        self.push(
            Metric::new(name, unit, MetricData::Counter(points.into()))
                .with_description(description),
        );
    }

    fn gauge(
        &mut self,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        points: impl Into<Vec<NumberPoint>>,
    ) {
        self.push(
            Metric::new(name, unit, MetricData::Gauge(points.into())).with_description(description),
        );
    }

    fn push(&mut self, metric: Metric) {
        // Names are ours and differ; a test reads them all.
        let _refused = self.snapshot.push(metric);
    }
}

/// A destination, or all peers together.
struct Sender {
    /// As the Collector labels it.
    exporter: String,
    ledger: Snapshot,
    is_up: bool,
    queued_bytes: u64,
}

impl Sender {
    fn of(account: &DestinationAccount) -> Self {
        let (exporter, ledger) = (account.name.clone(), account.ledger.clone());
        Self { exporter, ledger, is_up: account.is_up, queued_bytes: account.queued_bytes }
    }

    fn of_peers(gateway: &GatewayAccount) -> Self {
        Self {
            exporter: "load_balancing".to_owned(),
            ledger: gateway.ledger.clone(),
            is_up: gateway.peers.iter().any(|peer| peer.problem.is_none()),
            queued_bytes: gateway.peers.iter().map(|peer| peer.queued_bytes as u64).sum(),
        }
    }

    fn attributes(&self) -> Vec<Attribute> {
        vec![Attribute::new("exporter", self.exporter.clone())]
    }
}

/// Spans that were lost before they were queued.
fn not_queued(sender: &Sender) -> u64 {
    [DropReason::QueueBytes, DropReason::QueueFull, DropReason::Shed, DropReason::AfterShutdown]
        .into_iter()
        .map(|reason| sender.ledger.dropped(reason))
        .sum()
}

fn one(value: u64) -> NumberPoint {
    NumberPoint::new(value)
}

fn with(value: u64, key: &'static str, label: &'static str) -> NumberPoint {
    one(value).with_attributes([Attribute::new(key, label)])
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
