//! The program's own spans, of its own clients and of the `log` crate, do arrive.

use crate::harness::bench;
use crate::observe;
use crate::observed::Observed;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use spanwise_receiver::Receiver;
use spanwise_sdk::Protocol;
use spanwise_testkit::in_own_process;
use std::net::SocketAddr;
use tracing_subscriber::layer::SubscriberExt as _;

/// Sends a request over HTTP/2 from tasks of the current thread.
async fn request(to: SocketAddr) -> hyper::StatusCode {
    let stream = tokio::net::TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(format!("http://{to}/")).body(Empty::<Bytes>::new());
    let status = sender.send_request(request.unwrap()).await.unwrap().status();
    drop(sender);
    connection.await.unwrap().unwrap();
    status
}

#[test]
fn spans_of_the_programs_own_http_client_arrive() {
    in_own_process("program::spans_of_the_programs_own_http_client_arrive", || {
        let bench = bench(|builder| builder.with_protocol(Protocol::Grpc));
        let observed = Observed::default();
        let layer = spanwise_tracing::layer(&bench.spanwise);
        observe(
            tracing_subscriber::registry().with(observed.clone()).with(layer),
            &[&bench.spanwise],
        );
        let peer = Receiver::builder().start().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let status = runtime.unwrap().block_on(async {
            let request = request(peer.address());
            tracing::Instrument::instrument(request, tracing::info_span!("program")).await
        });
        assert_eq!(status, 404);
        let spans = bench.finish();
        let seen = observed.all();
        let started = seen.iter().filter(|seen| seen.is_span).count();
        assert_eq!(spans.len(), started, "each span that the subscriber saw, and no other");
        assert!(seen.iter().any(|seen| seen.is_span && seen.target.starts_with("h2")));
        assert!(seen.iter().all(|seen| !seen.thread.starts_with("spanwise")));
    });
}

#[cfg(feature = "tracing-log")]
#[test]
fn records_of_the_log_crate_are_events_of_the_current_span() {
    in_own_process("program::records_of_the_log_crate_are_events_of_the_current_span", || {
        let bench = bench(|builder| builder.with_protocol(Protocol::Grpc));
        let layer = spanwise_tracing::layer(&bench.spanwise);
        observe(tracing_subscriber::registry().with(layer), &[&bench.spanwise]);
        tracing::info_span!("program").in_scope(|| {
            tracing_log::log::warn!(target: "shop::stock", "{} left", 3);
        });
        tracing_log::log::warn!("outside of a span");
        let spans = bench.finish();
        let [span] = &*spans else { panic!("{spans:?}") };
        let [event] = &*span.events else { panic!("{span:?}") };
        assert_eq!(event.name, "3 left");
        let text = format!("{:?}", event.attributes);
        assert!(text.contains("shop::stock") && text.contains("WARN"), "{text}");
    });
}
