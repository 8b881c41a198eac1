//! Batches: three presets, a size that follows the load, and numbers that change while the program runs.
//!
//! ```text
//! cargo run --example batching
//! ```

use spanwise::{
    AdaptiveBatchSize, BatchPreset, BatchSize, OnFull, SpanKind, Spanwise, SpanwiseBuilder,
};
use spanwise_receiver::{Answer, Receiver};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SPANS: u64 = 20_000;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<16} {:>9} {:>9}", "", "requests", "largest");
    for (preset, most) in [
        (BatchPreset::LowLatency, 100),       // 1 s at most
        (BatchPreset::Balanced, 500),         // 5 s
        (BatchPreset::HighThroughput, 2_000), // 10 s
    ] {
        let sent = run(|builder| builder.with_batch_preset(preset))?;
        println!("{:<16} {:>9} {:>9}", format!("{preset:?}"), sent.requests, sent.largest);
        assert!(sent.largest <= most && sent.requests >= SPANS / most, "{sent:?}");
    }
    // The size doubles and halves with the length of the queue, looked at every 30 s.
    let dynamic = run(|builder| {
        builder
            .with_batch_size(BatchSize::Dynamic)
            .with_max_queue_size(BatchSize::DYNAMIC_QUEUE_SIZE)
            .with_scheduled_delay(BatchSize::DYNAMIC_DELAY)
            .with_max_export_batch_size(2_048)
    })?;
    println!("{:<16} {:>9} {:>9}", "dynamic", dynamic.requests, dynamic.largest);
    assert!(dynamic.largest <= 2_048, "{dynamic:?}");
    // The size follows arrivals, the backlog and the receiver's latency. It is the size at which a request leaves; the
    // other limit is that of a request, also of the last one at shutdown.
    let size = BatchSize::Adaptive(AdaptiveBatchSize::default().with_max_spans(1_024));
    let sent = run(|builder| builder.with_batch_size(size).with_max_export_batch_size(2_048))?;
    println!("{:<16} {:>9} {:>9}", "adaptive", sent.requests, sent.largest);
    assert!(sent.largest <= 2_048, "{sent:?}");
    change_while_it_runs()
}

/// A change loses no span, and one with a mistake changes nothing.
fn change_while_it_runs() -> Result<(), Box<dyn Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let spanwise = Spanwise::builder().with_endpoint(receiver.http_endpoint()).build()?;
    spans(&spanwise);
    let batching = spanwise.batching();
    batching.update(|config| {
        config.with_max_export_batch_size(512).with_scheduled_delay(Duration::from_secs(2))
    })?;
    assert!(batching.update(|config| config.with_max_export_batch_size(0)).is_err());
    assert_eq!(batching.load().max_export_batch_size, 512);
    spans(&spanwise);
    let ledger = spanwise.shutdown_timeout(Duration::from_secs(20))?.ledger;
    assert_eq!((ledger.exported, collected.spans()), (2 * SPANS, 2 * SPANS), "{ledger}");
    Ok(())
}

/// The requests that a receiver got.
#[derive(Debug)]
struct Sent {
    requests: u64,
    /// Spans of the largest one.
    largest: u64,
}

fn run(configure: impl Fn(SpanwiseBuilder) -> SpanwiseBuilder) -> Result<Sent, Box<dyn Error>> {
    let largest = Arc::new(AtomicU64::new(0));
    let seen = largest.clone();
    let handler = move |export: spanwise_receiver::Export| {
        seen.fetch_max(export.spans, Relaxed);
        Answer::Accept
    };
    let receiver = Receiver::builder().with_handler(handler).start()?;
    // The presets have queues of a bounded number of spans: a thread waits instead of losing one.
    let wait = OnFull::Wait(Duration::from_secs(10));
    let builder = Spanwise::builder().with_endpoint(receiver.http_endpoint()).with_on_full(wait);
    let spanwise = configure(builder).build()?;
    spans(&spanwise);
    let ledger = spanwise.shutdown_timeout(Duration::from_secs(20))?.ledger;
    assert_eq!((ledger.exported, receiver.stats().spans), (SPANS, SPANS), "{ledger}");
    Ok(Sent { requests: receiver.stats().requests, largest: largest.load(Relaxed) })
}

fn spans(spanwise: &Spanwise) {
    let tracer = spanwise.tracer("shop");
    (0..SPANS).for_each(|_| tracer.root("GET /orders", SpanKind::Server).finish());
}
