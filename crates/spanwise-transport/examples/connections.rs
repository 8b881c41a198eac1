//! The connections of one transport: OTLP/HTTP over one HTTP/2 connection, and gRPC over four channels in turn.
//!
//! `cargo run -p spanwise-transport --example connections --features grpc,http2`

use std::error::Error;
use std::time::Duration;

use spanwise_receiver::Receiver;
use spanwise_transport::{
    ChannelSelection, Channels, Endpoint, HttpVersion, IdleConnections, KeepAlive, Protocol,
    Transport, TransportBuilder,
};
use tokio::task::JoinSet;

const REQUESTS: u64 = 100;
const AT_ONCE: u64 = 10;

/// A test runs it too.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn Error>> {
    // All requests share one connection; without TLS the server must accept HTTP/2 at once.
    let http2 = Transport::builder().with_http_version(HttpVersion::Http2);
    assert_eq!(connections("OTLP/HTTP over HTTP/2", http2).await?, 1);

    // A pool of HTTP/1.1 connections: as many as requests at once, and the next requests use them again.
    let idle = IdleConnections::default()
        .with_max(100)
        .with_max_per_host(10)
        .with_timeout(Duration::from_secs(90));
    let http1 = Transport::builder().with_idle_connections(idle);
    assert!(connections("OTLP/HTTP over HTTP/1.1", http1).await? <= AT_ONCE);

    // A ping after 10 s of silence, and 3 s to answer it, also while no request is on its way.
    let keep_alive = KeepAlive::default()
        .with_interval(Duration::from_secs(10))
        .with_timeout(Duration::from_secs(3))
        .with_while_idle(true);
    let channels =
        Channels::new(4).with_selection(ChannelSelection::RoundRobin).with_keep_alive(keep_alive);
    let grpc = Transport::builder().with_protocol(Protocol::Grpc).with_channels(channels);
    assert_eq!(connections("gRPC, four channels in turn", grpc).await?, 4);
    Ok(())
}

/// Sends the requests, ten at once, and returns the number of connections that the receiver accepted.
async fn connections(name: &str, builder: TransportBuilder) -> Result<u64, Box<dyn Error>> {
    let receiver = Receiver::builder().start()?;
    let endpoint = Endpoint::parse_base("endpoint", &receiver.http_endpoint())?;
    let transport = builder.with_endpoint(endpoint).build()?;
    for _ in 0..REQUESTS / AT_ONCE {
        let mut requests = JoinSet::new();
        for _ in 0..AT_ONCE {
            let transport = transport.clone();
            // An empty request: any encoded `ExportTraceServiceRequest` does.
            requests.spawn(async move { transport.send(Vec::new()).await });
        }
        while let Some(delivery) = requests.join_next().await {
            let delivery = delivery?;
            assert!(delivery.is_accepted(), "{delivery}");
        }
    }
    let stats = receiver.stats();
    println!("{name}: {} requests, {} connections", stats.requests, stats.connections);
    assert_eq!(stats.requests, REQUESTS);
    Ok(stats.connections)
}
