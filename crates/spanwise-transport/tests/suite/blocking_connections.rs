//! The transport without an async runtime: its protocols, sockets, proxies, TLS and sinks.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use spanwise_receiver::Receiver;
use spanwise_transport::{
    BlockingTransport, Bytes, Compression, Delivery, Endpoint, Failure, FileSink, IdleConnections,
    Outcome, Protocol, TransportBuilder,
};

fn request(spans: usize) -> Vec<u8> {
    let span = Span { trace_id: vec![7; 16], span_id: vec![9; 8], ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span; spans], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn to(url: &str) -> TransportBuilder {
    BlockingTransport::builder().with_endpoint(Endpoint::parse("TEST", url).unwrap())
}

/// Sends a request that has one short attempt.
#[cfg(any(unix, feature = "proxy"))]
fn send_once(builder: TransportBuilder) -> Delivery {
    let second = Duration::from_secs(1);
    let builder = builder.with_attempt_timeout(second).with_request_timeout(second);
    builder.build_blocking().unwrap().send(request(3))
}

fn accepted(delivery: &Delivery) {
    assert!(delivery.is_accepted() && delivery.attempts == 1, "{delivery:?}");
}

const PROTOCOLS: [Protocol; 2] = [Protocol::HttpProtobuf, Protocol::HttpJson];

#[test]
fn json_arrives_as_protobuf_does() {
    for protocol in PROTOCOLS {
        for compression in [Compression::None, Compression::Gzip] {
            let (receiver, collected) = Receiver::collecting().unwrap();
            let endpoint = Endpoint::parse_base("TEST", &receiver.http_endpoint()).unwrap();
            let transport = BlockingTransport::builder()
                .with_endpoint(endpoint)
                .with_protocol(protocol)
                .with_compression(compression)
                .build_blocking()
                .unwrap();
            for _ in 0..2 {
                accepted(&transport.send(request(100)));
            }
            assert_eq!((collected.spans(), receiver.stats().connections), (200, 1), "{protocol}");
            let bound = transport.compressed_bound(1000);
            assert_eq!(bound > 6000, protocol == Protocol::HttpJson, "{bound}");
        }
    }
    let json = to("http://127.0.0.1:1").with_protocol(Protocol::HttpJson).build_blocking();
    let delivery = json.unwrap().send(b"\x0a\x05ab".to_vec());
    assert_eq!((delivery.outcome, delivery.attempts), (Outcome::Failed(Failure::Unsendable), 0));
    assert!(delivery.cause.starts_with("no OTLP protobuf"), "{}", delivery.cause);
}

/// The limit of all idle connections, which clones of the setting share.
#[test]
fn idle_connections_are_limited_over_all_transports() {
    let (receiver, _) = Receiver::collecting().unwrap();
    let idle = IdleConnections::default().with_max(1);
    let endpoint = Endpoint::parse_base("TEST", &receiver.http_endpoint()).unwrap();
    let builder = BlockingTransport::builder().with_endpoint(endpoint).with_idle_connections(idle);
    let transports = [0, 1].map(|_| builder.clone().build_blocking().unwrap());
    for _ in 0..2 {
        for transport in &transports {
            accepted(&transport.send(request(1)));
        }
    }
    assert_eq!(receiver.stats().connections, 3, "the first one stays, the second never does");
}

#[test]
fn a_request_goes_to_a_sink() {
    let sink = |request: Bytes| {
        let rejected = request.len() as u64;
        std::future::ready(Outcome::Accepted { rejected, message: None })
    };
    let builder = BlockingTransport::builder().with_compression(Compression::Gzip);
    let transport = builder.with_sink(sink).build_blocking().unwrap();
    let delivery = transport.send(request(100));
    let rejected = request(100).len() as u64;
    assert_eq!(delivery.outcome, Outcome::Accepted { rejected, message: None });
    assert_eq!((transport.destination().as_str(), transport.encoder_bytes()), ("the sink", 0));

    let second = Duration::from_millis(50);
    let endless = |_: Bytes| std::future::pending::<Outcome>();
    let builder = BlockingTransport::builder().with_sink(endless).with_attempt_timeout(second);
    let delivery = builder.build_blocking().unwrap().send(request(1));
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::AmbiguousTimeout));
    let panics = |_: Bytes| async { panic!("on purpose") };
    let builder = BlockingTransport::builder().with_sink(panics);
    let delivery = builder.build_blocking().unwrap().send(request(1));
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::SinkPanicked));
}

#[test]
fn threads_write_whole_lines_to_one_file() {
    let path = std::env::temp_dir().join(format!("spanwise-blocking-{}", std::process::id()));
    let sink = FileSink::builder().with_path(&path).build().unwrap();
    let transport = BlockingTransport::builder().with_sink(sink).build_blocking().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| accepted(&transport.send(request(5)))));
        }
    });
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut line = Vec::new();
    spanwise_wire::json::from_protobuf(&request(5), usize::MAX, &mut line).unwrap();
    assert_eq!(text.lines().count(), 100);
    assert!(text.lines().all(|written| written.as_bytes() == line));
}

#[cfg(unix)]
mod unix_sockets {
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use super::*;

    /// A path in a folder of its own, which the drop removes.
    struct SocketPath(PathBuf);

    impl SocketPath {
        fn new(name: &str) -> Self {
            let folder = format!("spanwise-blocking-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder.join("otel.sock"))
        }

        fn url(&self) -> String {
            format!("unix:{}", self.0.display())
        }
    }

    impl Drop for SocketPath {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    #[test]
    fn requests_arrive_on_one_connection() {
        let path = SocketPath::new("arrive");
        for protocol in PROTOCOLS {
            let receiver = Receiver::builder().with_unix_socket(&path.0).start().unwrap();
            let transport = to(&path.url()).with_protocol(protocol).build_blocking().unwrap();
            for _ in 0..3 {
                accepted(&transport.send(request(3)));
            }
            let stats = receiver.stats();
            assert_eq!((stats.spans, stats.connections), (9, 1), "{protocol} {stats:?}");
            receiver.shutdown();
        }
    }

    #[test]
    fn a_socket_without_a_listener_is_explained() {
        let path = SocketPath::new("none");
        for cause in ["the socket does not exist", "connection refused"] {
            let delivery = send_once(to(&path.url()));
            assert_eq!((delivery.cause.as_str(), delivery.ambiguous_attempts), (cause, 0));
            let advice = delivery.advice.unwrap_or_default();
            assert!(advice.contains(&path.url()), "{advice}");
            drop(UnixListener::bind(&path.0));
        }
    }

    /// A listener that accepts nothing, and whose backlog is full.
    #[test]
    fn a_full_backlog_costs_the_timeout_and_no_more() {
        let path = SocketPath::new("full");
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&socket2::SockAddr::unix(&path.0).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let start = Instant::now();
        let held: Vec<Delivery> = (0..3).map(|_| send_once(to(&path.url()))).collect();
        assert!(held.iter().all(|delivery| !delivery.is_accepted()), "{held:?}");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

#[cfg(feature = "proxy")]
mod proxies {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::mpsc::{Receiver as Seen, channel};

    use spanwise_testkit::Peer;
    use spanwise_transport::Proxy;

    use super::*;

    /// A proxy that reads a head, gives an answer, and then connects to `target` if there is one.
    fn proxy(answer: &'static [u8], target: Option<std::net::SocketAddr>) -> (Peer, Seen<String>) {
        let (sender, seen) = channel();
        let peer = Peer::start(move |mut stream| {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let _ = sender.send(String::from_utf8(head).unwrap());
            stream.write_all(answer).unwrap();
            if let Some(target) = target {
                let to = TcpStream::connect(target).unwrap();
                let (mut from, mut back) = (stream.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back, &mut stream));
                let _ = std::io::copy(&mut from, &mut &to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            }
        });
        (peer.unwrap(), seen)
    }

    fn through(builder: TransportBuilder, peer: &Peer) -> TransportBuilder {
        let url = format!("http://shop:hunter2@{}", peer.address());
        builder.with_proxy(Proxy::parse("PROXY", &url).unwrap())
    }

    /// `shop:hunter2` in base64.
    const BASIC: &str = "Basic c2hvcDpodW50ZXIy";

    #[test]
    fn a_plain_request_is_forwarded_in_absolute_form_with_the_credentials() {
        let (peer, seen) = proxy(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None);
        let builder = through(to("http://collector.test:4318/v1/traces?q=1"), &peer);
        let transport = builder.build_blocking().unwrap();
        accepted(&transport.send(request(3)));
        let head = seen.recv().unwrap();
        let line = "POST http://collector.test:4318/v1/traces?q=1 HTTP/1.1\r\n";
        assert!(head.starts_with(line), "{head}");
        assert!(head.contains("host: collector.test:4318\r\n"), "{head}");
        assert!(head.contains(&format!("proxy-authorization: {BASIC}\r\n")), "{head}");
        assert!(!format!("{transport:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_of_the_proxy_does_not_show_the_credentials() {
        let answer =
            b"HTTP/1.1 403 No\r\ncontent-length: 37\r\n\r\nBasic c2hvcDpodW50ZXIy and hunter2 no.";
        let (peer, _seen) = proxy(answer, None);
        let delivery = send_once(through(to("http://collector.test/"), &peer));
        let shown = format!("{delivery:?} {delivery}");
        assert!(shown.contains("403") && shown.contains(" and "), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("c2hvcD"), "{shown}");
    }

    #[test]
    fn a_proxy_that_does_not_answer_in_time_or_is_not_reached_is_explained() {
        let closed = spanwise_testkit::ClosedPort::new().unwrap();
        let unreachable = Proxy::parse("P", &closed.endpoint().unwrap()).unwrap();
        let delivery = send_once(to("http://collector.test/").with_proxy(unreachable));
        assert!(delivery.cause.ends_with(": connection refused"), "{delivery:?}");
        assert!(delivery.advice.is_some_and(|advice| advice.contains("HTTPS_PROXY")));
    }

    #[cfg(feature = "blocking-tls")]
    mod tunnels {
        use spanwise_testkit::pki::{Authority, Template};

        use super::*;

        const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

        #[test]
        fn an_https_request_goes_through_a_tunnel_that_sees_neither_headers_nor_spans() {
            let authority = Authority::new("ours").unwrap();
            let template = Template { name: "collector.test", ..Template::default() };
            let server = authority.issue(&template).unwrap();
            let receiver = Receiver::builder();
            let receiver = receiver.with_tls_pem(server.certificate, server.key).start().unwrap();
            let (peer, seen) = proxy(ESTABLISHED, Some(receiver.address()));
            let builder = through(to("https://collector.test/v1/traces"), &peer);
            let builder = builder.with_certificate_pem(&*authority.certificate);
            let transport = builder.build_blocking().unwrap();
            for _ in 0..2 {
                accepted(&transport.send(request(3)));
            }
            let stats = receiver.stats();
            assert_eq!((stats.spans, stats.connections), (6, 1), "{stats:?}");
            let head = seen.recv().unwrap();
            assert!(head.starts_with("CONNECT collector.test:443 HTTP/1.1\r\n"), "{head}");
            assert!(head.contains(&format!("Proxy-Authorization: {BASIC}\r\n")), "{head}");
            assert!(!head.to_ascii_lowercase().contains("user-agent"), "{head}");
        }

        #[test]
        fn a_proxy_that_makes_no_tunnel_is_explained() {
            for (answer, cause) in [
                (&b"HTTP/1.1 407 hunter2\r\n\r\n"[..], "it requires credentials"),
                (b"HTTP/1.1 403 hunter2\r\n\r\n", "it refused the tunnel: HTTP 403"),
                (b"SSH-2.0-OpenSSH\r\n\r\n", "its answer is not HTTP/1.1"),
            ] {
                let (peer, _seen) = proxy(answer, None);
                let delivery = send_once(through(to("https://collector.test/"), &peer));
                let start = format!("the proxy http://[redacted]@{}: {cause}", peer.address());
                assert!(delivery.cause.starts_with(&start), "{delivery:?}");
                assert!(!delivery.may_have_been_accepted(), "{delivery:?}");
                assert!(!format!("{delivery:?}").contains("hunter2"), "{delivery:?}");
            }
            // One that answers nothing costs the timeout.
            let silent = Peer::start(|mut stream| {
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            });
            let start = Instant::now();
            let delivery = send_once(through(to("https://collector.test/"), &silent.unwrap()));
            assert!(!delivery.may_have_been_accepted(), "{delivery:?}");
            assert!(start.elapsed() < Duration::from_secs(5));
        }
    }
}

#[cfg(not(feature = "blocking-tls"))]
#[test]
fn an_https_endpoint_without_its_feature_is_an_error() {
    let error = to("https://collector.test/").build_blocking().unwrap_err().to_string();
    let feature = if cfg!(feature = "tokio") { "`tls`" } else { "`blocking-tls`" };
    assert!(error.contains(feature) && error.contains("collector.test"), "{error}");
}
