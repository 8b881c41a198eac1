//! Export tasks on a pool of 10 threads with a queue of 1,000.
//!
//! The provider exports on a thread of its own and needs no pool; this is for programs that send requests
//! themselves.
//!
//! ```text
//! cargo run --example export_task
//! ```

use spanwise::transport::{BlockingTransport, Endpoint};
use spanwise::wire::write::{SpanHeader, SpanWriter, encode_resource, encode_scope};
use spanwise::wire::{
    Chunk, Framer, Request, RequestLimits, SpanId, SpanLimits, SpanMeta, TraceId,
};
use spanwise::worker::{ShutdownMode, WorkerPool};
use spanwise_receiver::Receiver;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One batch of spans on its way to the receiver.
struct ExportTask {
    request: Request,
    transport: Arc<BlockingTransport>,
    exported: Arc<AtomicU64>,
}

impl ExportTask {
    /// Sends the batch, with retries; waits on the thread of the pool.
    fn execute(self) {
        if self.transport.send(self.request).is_accepted() {
            self.exported.fetch_add(SPANS, Relaxed);
        }
    }
}

/// Spans of a batch, and the number of batches.
const SPANS: u64 = 10;
const TASKS: u64 = 1_000;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn Error>> {
    let (receiver, collected) = Receiver::collecting()?;
    let endpoint = Endpoint::parse_base("endpoint", &receiver.http_endpoint())?;
    let transport = BlockingTransport::builder().with_endpoint(endpoint).build_blocking()?;
    let (transport, exported) = (Arc::new(transport), Arc::new(AtomicU64::new(0)));
    let request = batch().ok_or("no spans, no request")?;

    let pool = WorkerPool::builder("export").with_threads(10).with_queue(1_000).build()?;
    for _ in 0..TASKS {
        let (transport, exported) = (transport.clone(), exported.clone());
        let task = ExportTask { request: request.clone(), transport, exported };
        // Does not wait: a full queue, or a pool that is shut down, returns the task with the reason.
        pool.try_submit(move || task.execute()).map_err(|error| error.reason.to_string())?;
    }
    // Runs the tasks that wait, for at most 30 s; `Abandon` drops them, and counts them.
    let report = pool.shutdown(ShutdownMode::Drain, Duration::from_secs(30));
    println!("{report}; the receiver counted {} spans", collected.spans());
    assert!(report.is_clean() && pool.try_submit(|| ()).is_err());
    assert_eq!((report.completed, collected.spans()), (TASKS, TASKS * SPANS));
    assert_eq!(exported.load(Relaxed), TASKS * SPANS);
    Ok(())
}

/// A request of [`SPANS`] spans.
fn batch() -> Option<Request> {
    let (mut chunk, limits) = (Chunk::default(), SpanLimits::default());
    let mut writer = SpanWriter::new();
    for number in 1..=SPANS {
        writer.begin(&limits, "GET /orders/{id}");
        let header = SpanHeader {
            trace_id: TraceId(number.into()),
            span_id: SpanId(number),
            ..SpanHeader::default()
        };
        chunk.push(&writer.finish(&header), SpanMeta::default());
    }
    let resource = encode_resource([("service.name", "shop")], "");
    let scope = encode_scope("shop::orders", "1.0", [("", 0); 0], "");
    let mut requests = Vec::new();
    Framer::new(&resource, |_| &scope, RequestLimits::default())
        .frame(&[&chunk], |request| requests.push(request));
    requests.pop()
}
