//! A request that is received while its thread exits.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod received;

use received::{Receiver, named};
use spanwise_tracing::{grpc, http};
use tracing::Dispatch;

/// Receives requests after the thread has destroyed its contexts.
struct Requests(Dispatch);

impl Drop for Requests {
    fn drop(&mut self) {
        tracing::dispatcher::with_default(&self.0, || {
            let request = ::http::Request::new(());
            drop(http::server_span(&request, None));
            drop(grpc::server_span(&request));
        });
    }
}

thread_local! {
    static REQUESTS: std::cell::RefCell<Option<Requests>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn a_request_that_arrives_while_its_thread_exits_causes_no_panic() {
    let receiver = Receiver::new();
    let dispatch = Dispatch::new(spanwise_tracing::subscriber(&receiver.spanwise));
    let exits = dispatch.clone();
    let thread = std::thread::spawn(move || {
        REQUESTS.set(Some(Requests(exits.clone())));
        // Its contexts are destroyed first: they are used later.
        drop(opentelemetry::Context::new().attach());
        tracing::dispatcher::with_default(&exits, || tracing::info_span!("before").in_scope(|| ()));
    });
    thread.join().unwrap();
    drop(dispatch);
    let (spans, _) = receiver.finish();
    named(&spans, "before");
}
