//! Several channels of OTLP/gRPC, and their keep-alive.

#![cfg(feature = "tokio")]

use crate::peer;

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use spanwise_receiver::Receiver;
use spanwise_testkit::{FaultProxy, Peer};
use spanwise_transport::{
    ChannelSelection, Channels, Endpoint, KeepAlive, Protocol, Transport, TransportBuilder,
};

fn to(url: &str, channels: Channels) -> TransportBuilder {
    Transport::builder()
        .with_protocol(Protocol::Grpc)
        .with_endpoint(Endpoint::parse("TEST", url).unwrap())
        .with_channels(channels)
}

#[tokio::test]
async fn requests_are_spread_over_the_channels() {
    for selection in [ChannelSelection::RoundRobin, ChannelSelection::LeastInFlight] {
        for count in [1, 3] {
            let (receiver, collected) = Receiver::collecting().unwrap();
            let proxy = FaultProxy::start(receiver.address()).unwrap();
            let channels = Channels::new(count).with_selection(selection);
            let transport = to(&proxy.endpoint(), channels).build().unwrap();
            for _ in 0..6 {
                assert!(transport.send(peer::request(2)).await.is_accepted());
            }
            assert_eq!(collected.spans(), 12);
            assert_eq!(proxy.traffic().connections, count as u64, "{selection:?}");
        }
    }
}

/// Ends the first `complaints` connections with `too_many_pings`; later ones are `receiver`'s.
fn complaining(complaints: usize, receiver: SocketAddr) -> Peer {
    let connections = AtomicUsize::new(0);
    let peer = Peer::start(move |mut stream| {
        if connections.fetch_add(1, SeqCst) >= complaints {
            return relay(stream, receiver);
        }
        let payload = [&[0, 0, 0, 0, 0, 0, 0, 0xb][..], b"too_many_pings"].concat();
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let complaint = [&[0, 0, payload.len() as u8, 7, 0, 0, 0, 0, 0][..], &payload].concat();
        let _ = stream.write_all(&[&settings[..], &complaint].concat());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    peer.unwrap()
}

fn relay(stream: TcpStream, receiver: SocketAddr) {
    let target = TcpStream::connect(receiver).unwrap();
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(&stream, &target));
        copy(&target, &stream);
    });
}

/// A GOAWAY without a processed stream leaves no doubt: the request is sent again, on a new connection.
#[tokio::test]
async fn a_connection_that_is_ended_for_its_pings_costs_no_ambiguity() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let peer = complaining(3, receiver.address());
    let channels = Channels::default().with_keep_alive(KeepAlive::frequent());
    let transport = to(&peer.endpoint(), channels)
        .with_request_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let delivery = transport.send(peer::request(1)).await;
    assert!(delivery.is_accepted() && !delivery.may_have_been_accepted(), "{delivery}");
    assert_eq!((delivery.attempts, collected.spans()), (4, 1), "{delivery}");
}

#[test]
fn numbers_out_of_range_are_an_error() {
    let build = |channels| to("http://localhost:4317", channels).build();
    for (channels, setting) in [
        (Channels::new(0), "Channels::new"),
        (Channels::new(65), "Channels::new"),
        (
            Channels::new(1).with_keep_alive(KeepAlive::default().with_interval(Duration::ZERO)),
            "KeepAlive::with_interval",
        ),
        (
            Channels::new(1).with_keep_alive(KeepAlive::frequent().with_timeout(Duration::ZERO)),
            "KeepAlive::with_timeout",
        ),
        (
            Channels::new(1).with_keep_alive(KeepAlive::default().with_interval(Duration::MAX)),
            "KeepAlive::with_interval is 18446744073709551615.999999999s",
        ),
        (
            Channels::new(1).with_keep_alive(KeepAlive::frequent().with_timeout(DAY + MOMENT)),
            "accepted is 1ms to 86400s",
        ),
    ] {
        let error = build(channels).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
    assert!(build(Channels::new(64)).is_ok());
}

const DAY: Duration = Duration::from_secs(86_400);
const MOMENT: Duration = Duration::from_nanos(1);

/// HTTP/2 computes the moment of the next ping as `Instant + Duration`.
#[tokio::test]
async fn the_longest_keep_alive_sends_requests() {
    let (receiver, collected) = Receiver::collecting().unwrap();
    let longest = KeepAlive::default().with_interval(DAY).with_timeout(DAY).with_while_idle(true);
    let channels = Channels::default().with_keep_alive(longest);
    let transport = to(&receiver.http_endpoint(), channels).build().unwrap();
    for _ in 0..2 {
        let delivery = transport.send(peer::request(1)).await;
        assert!(delivery.is_accepted(), "{delivery}");
    }
    assert_eq!(collected.spans(), 2);
}

/// A TLS handshake that hangs: its socket is closed with the transport.
#[cfg(feature = "tls")]
#[tokio::test]
async fn a_dropped_transport_holds_no_socket_that_is_connecting() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let transport = to(&url, Channels::default()).build().unwrap();
    let sending = tokio::spawn(async move { transport.send(peer::request(1)).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = [0; 5];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await.unwrap();
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    let mut rest = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    // Without its end, tonic gives up connecting after three seconds.
    let closed = tokio::time::timeout(Duration::from_secs(2), closed).await;
    assert!(closed.is_ok());
}
