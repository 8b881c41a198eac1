//! A process whose receiver closes, refuses or is too slow, with its metrics at `/metrics`.

use spanwise::admin::AdminEndpoint;
use spanwise::{OnFull, SpanKind, Spanwise, Tracer};
use spanwise_receiver::{Answer, Receiver};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A fault, and the alerts that it has to cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The receiver listens no longer: connections are refused.
    Closed,
    /// The receiver answers 503.
    Refusing,
    /// The service makes spans as fast as it can.
    Flood,
    /// It makes large ones, and the receiver takes half a second for a request.
    Overload,
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [Self::Closed, Self::Refusing, Self::Flood, Self::Overload];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Closed => "the receiver is closed",
            Self::Refusing => "the receiver answers 503",
            Self::Flood => "as many spans as possible",
            Self::Overload => "a slow receiver and a full queue",
        }
    }

    /// The alerts that have to fire. Others may.
    pub(super) fn alerts(self) -> &'static [&'static str] {
        match self {
            Self::Closed | Self::Refusing => {
                &["ExporterFailing", "NothingExported", "HighDropRate"]
            }
            Self::Flood => &["HighCPUUsage"],
            Self::Overload => &["HighMemoryUsage", "QueueNearFull", "HighDropRate"],
        }
    }
}

/// The service with its receiver and its endpoint. The drop ends them.
pub(super) struct Faulty {
    // Before the provider: it reads snapshots.
    _admin: AdminEndpoint,
    address: SocketAddr,
    shared: Arc<Shared>,
    receiver: Option<Receiver>,
    receiver_address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
    spanwise: Spanwise,
}

struct Shared {
    fault: AtomicU8,
    stopped: AtomicBool,
}

impl Faulty {
    /// # Errors
    /// A port, a thread or the provider is not available.
    pub(super) fn start() -> Result<Self, String> {
        let shared =
            Arc::new(Shared { fault: AtomicU8::new(NONE), stopped: AtomicBool::new(false) });
        let receiver = receiver(SocketAddr::from(([127, 0, 0, 1], 0)), &shared)?;
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let spanwise = Spanwise::builder()
            .with_environment(|_| None)
            .with_service_name("shop")
            .with_endpoint(receiver.http_endpoint())
            .with_budget_bytes(BUDGET)
            .with_max_queue_size(MAX_QUEUE)
            // Ends of spans wait a moment: the histogram of stalls has values.
            .with_on_full(OnFull::Wait(Duration::from_millis(2)))
            // A span is lost within the seconds that the copy of the rules looks at.
            .with_export_timeout(Duration::from_secs(1))
            .with_sampling_ratio(0.9)
            .with_diagnostics(|_| {})
            .build()
            .map_err(|error| failed(&error))?;
        let admin = AdminEndpoint::builder().with_address("127.0.0.1:0").build(&spanwise);
        let admin = admin.map_err(|error| failed(&error))?;
        let threads = (0..THREADS).map(|index| {
            let (shared, tracer) = (shared.clone(), spanwise.tracer("shop"));
            let name = format!("ops-check-{index}");
            thread::Builder::new().name(name).spawn(move || serve(&shared, &tracer))
        });
        let threads = threads.collect::<Result<_, _>>().map_err(|error| failed(&error))?;
        Ok(Self {
            address: admin.local_addr(),
            _admin: admin,
            shared,
            receiver_address: receiver.address(),
            receiver: Some(receiver),
            threads,
            spanwise,
        })
    }

    /// The address of `/metrics`.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins a fault, or ends it.
    ///
    /// # Errors
    /// The receiver's port was taken meanwhile.
    pub(super) fn set(&mut self, fault: Option<Fault>) -> Result<(), String> {
        self.shared.fault.store(fault.map_or(NONE, |fault| fault as u8), Relaxed);
        if fault == Some(Fault::Closed) {
            self.receiver.take().into_iter().for_each(Receiver::shutdown);
        } else if self.receiver.is_none() {
            self.receiver = Some(receiver(self.receiver_address, &self.shared)?);
        }
        Ok(())
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
        // Spans of an overload would be sent for seconds.
        let _lost = self.spanwise.shutdown_timeout(Duration::ZERO);
    }
}

fn receiver(address: SocketAddr, shared: &Arc<Shared>) -> Result<Receiver, String> {
    let shared = shared.clone();
    let handler = move |_| match shared.fault.load(Relaxed) {
        fault if fault == Fault::Overload as u8 => Answer::Accept.after(Duration::from_millis(500)),
        fault if fault == Fault::Refusing as u8 => Answer::Refuse {
            http_status: 503,
            grpc_code: 14,
            message: "the storage is full".to_owned(),
            retry_after: None,
        },
        _ => Answer::Accept,
    };
    let receiver = Receiver::builder().with_address(address).with_handler(handler).start();
    receiver.map_err(|error| error.to_string())
}

/// Makes traces: a few hundred spans per second on all threads, and spans without a pause in a flood and in an overload.
fn serve(shared: &Shared, tracer: &Tracer) {
    let payload = "x".repeat(LARGE);
    while !shared.stopped.load(Relaxed) {
        let fault = shared.fault.load(Relaxed);
        let (is_flood, is_overload) = (fault == Fault::Flood as u8, fault == Fault::Overload as u8);
        let value = if is_overload { payload.as_str() } else { "SELECT * FROM orders" };
        let mut server = tracer.root("GET /orders", SpanKind::Server);
        server.attribute("http.request.method", "GET");
        for name in ["SELECT", "INSERT"] {
            let mut child = tracer.child(name, SpanKind::Client, server.context());
            child.attribute("db.query.text", value);
            child.finish();
        }
        server.finish();
        if !is_flood && !is_overload {
            thread::sleep(PAUSE);
        }
    }
}

const NONE: u8 = u8::MAX;
const THREADS: usize = 2;
/// With two threads and three spans 300 spans per second at most.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes of an attribute in an overload.
const LARGE: usize = 8 << 10;
/// A budget whose queue holds more than the 200 MiB of the alert.
const BUDGET: usize = 320 << 20;
const MAX_QUEUE: usize = 100_000;
