//! A worker that dies before its time: all that it fences cannot kill it, so it is dropped by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use super::*;
use crate::core::OnFull;
use crate::diagnostics::{Diagnostic, EndpointHealth, Reporter};
use spanwise_batch::{Budget, ShardedBuffer, ShardedBufferConfig};
use spanwise_ledger::DropReason;
use spanwise_sampling::{DynamicSampler, Sampler};
use spanwise_transport::{Endpoint, Outcome};
use spanwise_wire::write::FinishedSpan;
use spanwise_wire::{SpanLimits, SpanMeta};
use std::sync::Mutex;

fn core() -> Arc<Core> {
    let shards = ShardedBuffer::new(ShardedBufferConfig::default(), Budget::new(16 << 20));
    let sampler = DynamicSampler::new(Sampler::always_on());
    let scopes = crate::scopes::Scopes::new(1 << 20);
    Arc::new(Core::new(
        Phase::Running,
        SpanLimits::default(),
        sampler,
        scopes,
        shards,
        OnFull::Drop,
    ))
}

fn pipeline(core: &Arc<Core>, reporter: &Reporter) -> Pipeline {
    let sink = |_: bytes::Bytes| std::future::pending::<Outcome>();
    let endpoint = Endpoint::parse("test", "http://localhost:4318").unwrap();
    let transport = Transport::builder().with_endpoint(endpoint).with_sink(sink).build().unwrap();
    let config = PipelineConfig {
        schedule: FlushScheduleConfig::default(),
        request_bytes: 1 << 20,
        limits: RequestLimits::default(),
        max_in_flight: 1,
        reserve: Reserve { flowing: 4 << 20, stalled: 1 << 20 },
    };
    let inbox = Arc::new(Inbox::open());
    let diagnostics = Diagnostics::new(reporter.clone(), EndpointHealth::new(reporter.clone()));
    Pipeline::new(core.clone(), inbox, transport, config, Vec::new(), None, diagnostics)
}

#[tokio::test]
async fn a_worker_that_dies_leaves_no_span_without_an_outcome_and_says_so() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let lines = said.clone();
    let reporter = Reporter::new(Arc::new(move |diagnostic: &Diagnostic| {
        lines.lock().unwrap().push(diagnostic.to_string());
    }));
    let core = core();
    let store = |spans: u64| {
        for _ in 0..spans {
            core.ledger.started();
            core.store(&FinishedSpan::encoded(b"\x2a\x01s"), SpanMeta::default());
        }
    };
    let mut pipeline = pipeline(&core, &reporter);
    let now = Instant::now();
    pipeline.started = true;
    // One request on its way, some spans taken and not framed, some in the shards.
    store(5);
    pipeline.unswept = true;
    pipeline.collect(now);
    pipeline.send(now);
    store(7);
    pipeline.unswept = true;
    pipeline.collect(now);
    pipeline.send(now);
    store(11);
    assert_eq!((pipeline.in_flight.len(), pipeline.backlog.spans()), (1, 7));
    drop(pipeline);

    let ledger = core.ledger.snapshot();
    ledger.check().unwrap();
    assert_eq!(ledger.dropped(DropReason::WorkerUnavailable), 7 + 11);
    assert_eq!(ledger.dropped(DropReason::ExporterPanic), 5, "the receiver may have them");
    assert_eq!(core.phase(), Phase::WorkerGone);
    store(3);
    let ledger = core.ledger.snapshot();
    ledger.check().unwrap();
    assert_eq!(ledger.dropped(DropReason::WorkerUnavailable), 7 + 11 + 3);
    reporter.flush(Duration::from_secs(60));
    let said = said.lock().unwrap();
    assert!(said.iter().any(|line| line.contains("worker thread has died")), "{said:?}");
}
