//! fastrace in front of a reporter that counts and drops.
//!
//! It has no sampler, no limit and no typed attributes. The workload passes a literal as literal text, in
//! its favour, and formats a number of run time.

use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::{Event, Span};
use spanwise_bench_harness::{Arguments, Request, Shape, Subject, Tally};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub fn build(arguments: &Arguments) -> Result<Box<dyn Subject>, String> {
    if arguments.implementation != "fastrace" {
        return Err(format!("no implementation {}", arguments.implementation));
    }
    let shape = arguments.workload.shape;
    if !matches!(shape, Shape::Root | Shape::Request) {
        return Err(format!(
            "{} does not run {}",
            arguments.implementation, arguments.workload.name
        ));
    }
    let reported = Arc::new(AtomicU64::new(0));
    fastrace::set_reporter(Null(reported.clone()), Config::default());
    Ok(Box::new(Traced { shape, request: Request::sample(), reported }))
}

struct Traced {
    shape: Shape,
    request: Request,
    reported: Arc<AtomicU64>,
}

impl Subject for Traced {
    fn run(&self, ops: u64) {
        match self.shape {
            Shape::Root => (0..ops).for_each(|_| root()),
            _ => (0..ops).for_each(|_| request(&self.request)),
        }
    }

    fn settle(&self) {
        loop {
            let before = self.reported.load(SeqCst);
            fastrace::flush();
            if self.reported.load(SeqCst) == before {
                return;
            }
        }
    }

    fn tally(&self, _made: u64) -> Tally {
        Tally { exported: self.reported.load(SeqCst), ..Tally::default() }
    }

    /// The capacity of its ring of 10,240 commands per thread. Commands beyond it cost more and stay with
    /// the thread until it makes another span.
    fn burst_spans(&self) -> Option<u64> {
        Some(3000)
    }
}

fn root() {
    let span = Span::root("op", SpanContext::random());
    drop(span.with_properties(|| [("http.method", "GET"), ("http.status", "200")]));
}

fn request(request: &Request) {
    let server = Span::root("GET /users/{id}/orders", SpanContext::random())
        .with_properties(|| {
            [
                ("http.request.method", "GET"),
                ("url.scheme", "https"),
                ("server.port", "443"),
                ("network.protocol.version", "1.1"),
                ("http.response.status_code", "200"),
            ]
        })
        .with_properties(|| {
            [
                ("url.path", request.path.clone()),
                ("http.route", request.route.clone()),
                ("server.address", request.host.clone()),
                ("client.address", request.client.clone()),
                ("user_agent.original", request.agent.clone()),
            ]
        });
    for (index, statement) in request.statements.iter().enumerate() {
        let child = Span::enter_with_parent(statement.operation, &server)
            .with_property(|| ("db.system.name", "postgresql"))
            .with_properties(|| {
                [
                    ("db.query.text", statement.text.clone()),
                    ("db.collection.name", statement.collection.clone()),
                    ("db.response.returned_rows", statement.rows.to_string()),
                ]
            });
        if index == 0 {
            child.add_event(
                Event::new("cache miss")
                    .with_property(|| ("cache.key", request.cache_key.clone()))
                    .with_property(|| ("cache.tier", "2")),
            );
        }
    }
}

/// Counts spans and drops them.
struct Null(Arc<AtomicU64>);

impl Reporter for Null {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        self.0.fetch_add(spans.len() as u64, SeqCst);
    }
}
