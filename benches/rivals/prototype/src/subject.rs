//! The prototype on w1, w3 and e2e-http.

use crate::clock::Clock;
use crate::consumer::{self, Destination};
use crate::exchange::Exchange;
use crate::http::Connection;
use crate::local;
use crate::span::Span;
use spanwise_bench_harness::{Arguments, Export, Mode, Request, Shape, Subject, Tally};
use std::sync::Arc;
use std::time::Duration;

/// Builds the subject that the arguments name.
pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    let Arguments { workload, implementation, .. } = arguments;
    if implementation != "floor-prototype" {
        return Err(format!("no implementation {implementation}"));
    }
    if !["w1", "w3", "e2e-http"].contains(&workload.name.as_str()) {
        return Err(format!("{implementation} does not run {}", workload.name));
    }
    let (destination, batch) = match (workload.export, &arguments.endpoint) {
        (Export::None, _) if arguments.mode == Mode::Time => (Destination::Nothing, DROPPED_CHUNKS),
        (Export::None, _) => (Destination::Count, DROPPED_CHUNKS),
        (_, Some(endpoint)) => {
            let connection =
                Connection::to(endpoint).map_err(|error| format!("{endpoint}: {error}"))?;
            (Destination::Receiver(connection), SENT_CHUNKS)
        }
        (_, None) => return Err("--endpoint is missing".to_owned()),
    };
    let exchange = Arc::new(Exchange::new(batch));
    local::install(Clock::calibrated(CALIBRATION), exchange.clone());
    consumer::start(exchange.clone(), destination).map_err(|error| error.to_string())?;
    Ok(Box::new(Prototype { shape: workload.shape, request: Request::sample(), exchange }))
}

struct Prototype {
    shape: Shape,
    request: Request,
    exchange: Arc<Exchange>,
}

impl Subject for Prototype {
    fn run(&self, ops: u64) {
        match self.shape {
            Shape::Root => (0..ops).for_each(|_| root()),
            _ => (0..ops).for_each(|_| request(&self.request)),
        }
    }

    fn settle(&self) {
        // SAFETY: `ship` does not ask for the state.
        unsafe { local::local() }.ship();
        self.exchange.flush();
    }

    fn tally(&self, _made: u64) -> Tally {
        let counts = self.exchange.counts();
        Tally { exported: counts.delivered, lost: counts.lost, ..Tally::default() }
    }

    fn requests(&self) -> Option<u64> {
        Some(self.exchange.counts().requests)
    }
}

/// w1: a root span with two attributes.
#[inline(always)]
fn root() {
    let mut span = Span::root("op", INTERNAL);
    span.text("http.method", "GET");
    span.int("http.status", 200);
    span.finish();
}

/// w3: five spans, 26 attributes, one event with two more.
#[inline(always)]
fn request(request: &Request) {
    let mut server = Span::root("GET /users/{id}/orders", SERVER);
    server.text("http.request.method", "GET");
    server.text("url.scheme", "https");
    server.text("url.path", &request.path);
    server.text("http.route", &request.route);
    server.text("server.address", &request.host);
    server.int("server.port", 443);
    server.text("network.protocol.version", "1.1");
    server.text("client.address", &request.client);
    server.text("user_agent.original", &request.agent);
    server.int("http.response.status_code", 200);
    for (index, statement) in request.statements.iter().enumerate() {
        let mut child = Span::child(statement.operation, CLIENT, server.context());
        child.text("db.system.name", "postgresql");
        child.text("db.query.text", &statement.text);
        child.text("db.collection.name", &statement.collection);
        child.int("db.response.returned_rows", statement.rows);
        if index == 0 {
            child.event("cache miss", |event| {
                event.text("cache.key", &request.cache_key);
                event.int("cache.tier", 2);
            });
        }
        child.finish();
    }
    server.finish();
}

/// The specification's numbers.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// Chunks of a batch: dropped ones, and those of a request of 512 KiB.
const DROPPED_CHUNKS: usize = 4;
const SENT_CHUNKS: usize = 8;
const CALIBRATION: Duration = Duration::from_millis(100);
