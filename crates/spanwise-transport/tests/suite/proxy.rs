//! Requests through an HTTP proxy.

#![cfg(feature = "tokio")]
#![cfg_attr(
    not(any(feature = "tls", feature = "grpc", feature = "http2")),
    allow(dead_code, reason = "only TLS and HTTP/2 are tunnelled")
)]

use crate::peer;
#[cfg(feature = "tls")]
use crate::secure;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use peer::{Peer, ok, send};
use spanwise_transport::{Delivery, Endpoint, Headers, Proxy, Transport, TransportBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A proxy that tunnels every `CONNECT` to one address, or gives another answer, and keeps the requests that
/// it received.
struct TunnelProxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TunnelProxy {
    async fn new(target: SocketAddr, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                    stream.write_all(answer).await?;
                    if answer.starts_with(b"HTTP/1.1 2") {
                        let mut to = TcpStream::connect(target).await?;
                        copy_bidirectional(&mut stream, &mut to).await?;
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Self { address, requests }
    }

    fn proxy(&self) -> Proxy {
        Proxy::parse("PROXY", &format!("http://shop:hunter2@{}", self.address)).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
/// `shop:hunter2` in base64.
const BASIC: &str = "Basic c2hvcDpodW50ZXIy";

fn to(url: &str) -> TransportBuilder {
    Transport::builder()
        .with_endpoint(Endpoint::parse("TEST", url).unwrap())
        .with_headers(Headers::parse("api-key=secret").unwrap())
}

/// Sends a request and cancels it after its first failed attempt.
async fn send_once(builder: TransportBuilder) -> Delivery {
    let failed = Arc::new(Notify::new());
    let notify = Arc::clone(&failed);
    let transport = builder.with_attempt_observer(move |_| notify.notify_one()).build().unwrap();
    transport.send_with_cancel(peer::request(3), failed.notified()).await
}

#[tokio::test]
async fn a_plain_request_is_forwarded_in_absolute_form_with_the_credentials() {
    let forwarder = Peer::new([ok()]).await;
    let url = format!("http://shop:hunter2@{}", forwarder.address);
    let builder = to("http://collector.test:4318/v1/traces?q=1");
    let transport = builder.with_proxy(Proxy::parse("P", &url).unwrap()).build().unwrap();
    for _ in 0..2 {
        let delivery = send(&transport).await;
        assert!(delivery.is_accepted(), "{delivery:?}");
    }
    let received = forwarder.received();
    let line = "POST http://collector.test:4318/v1/traces?q=1 HTTP/1.1";
    assert_eq!(received[0].head.lines().next(), Some(line));
    assert_eq!(received[0].header("host"), Some("collector.test:4318"));
    assert_eq!(received[0].header("proxy-authorization"), Some(BASIC));
    assert_eq!((received.len(), forwarder.connections()), (2, 1));
    assert!(!format!("{transport:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_answer_of_the_proxy_does_not_show_the_credentials() {
    let text = format!("not {BASIC}, and not hunter2 in plain text");
    let answer = peer::answer(407, "", text.as_bytes());
    let forwarder = Peer::new([peer::Act::Answer(answer)]).await;
    let url = format!("http://shop:hunter2@{}", forwarder.address);
    let builder = to("http://collector.test/").with_proxy(Proxy::parse("P", &url).unwrap());
    assert!(!format!("{builder:?}").contains("hunter2"));
    let delivery = send_once(builder).await;
    let shown = format!("{delivery:?} {delivery}");
    assert!(shown.contains("407") && shown.contains("plain text"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("c2hvcD"), "{shown}");
}

#[tokio::test]
async fn a_failed_answer_to_a_forwarded_request_names_the_proxy() {
    for (status, cause) in [
        (
            407,
            "HTTP 407 Proxy Authentication Required: the proxy URL requires credentials that it accepts",
        ),
        (403, "HTTP 403 Forbidden: through the proxy URL"),
        (502, "HTTP 502 Bad Gateway: through the proxy URL"),
    ] {
        for text in ["", "no way"] {
            let answer = peer::answer(status, "", text.as_bytes());
            let forwarder = Peer::new([peer::Act::Answer(answer)]).await;
            let url = format!("http://{}", forwarder.address);
            let builder = to("http://collector.test:4318/v1/traces");
            let builder = builder.with_proxy(Proxy::parse("P", &url).unwrap());
            let delivery = send_once(builder).await;
            let colon = if text.is_empty() { "" } else { ": " };
            assert_eq!(delivery.cause, format!("{}{colon}{text}", cause.replace("URL", &url)));
            let advice = delivery.advice.unwrap_or_default();
            assert_eq!(advice.contains("check the proxy"), status == 407, "{advice}");
        }
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_https_request_goes_through_a_tunnel_that_sees_neither_headers_nor_spans() {
    use spanwise_testkit::pki::{Authority, Template};
    let authority = Authority::new("ours").unwrap();
    let template = Template { name: "collector.test", ..Template::default() };
    let server = secure::SecurePeer::new(&authority.issue(&template).unwrap(), None).await;
    let proxy = TunnelProxy::new(server.peer.address, ESTABLISHED).await;
    let builder = to("https://collector.test/v1/traces").with_proxy(proxy.proxy());
    let delivery = send_once(builder.with_certificate_pem(&*authority.certificate)).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    let head = proxy.requests().remove(0);
    assert!(head.starts_with("CONNECT collector.test:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("Proxy-Authorization: {BASIC}\r\n")), "{head}");
    assert!(!head.contains("api-key"), "{head}");
    let request = server.peer.received().remove(0);
    assert!(request.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("proxy-authorization"), None);
    assert_eq!(request.header("api-key"), Some("secret"));
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn http2_goes_through_a_tunnel_in_plain_text_too() {
    use spanwise_transport::HttpVersion;
    let receiver = spanwise_receiver::Receiver::builder().start().unwrap();
    let proxy = TunnelProxy::new(receiver.address(), ESTABLISHED).await;
    let builder = to("http://collector.test/v1/traces").with_http_version(HttpVersion::Http2);
    let delivery = send_once(builder.with_proxy(proxy.proxy())).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!(receiver.stats().spans, 3);
    let head = proxy.requests().remove(0);
    assert!(head.starts_with("CONNECT collector.test:80 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("api-key"), "{head}");
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn grpc_goes_through_a_tunnel_in_plain_text_too() {
    use spanwise_receiver::Receiver;
    use spanwise_transport::Protocol;
    let receiver = Receiver::builder().start().unwrap();
    let proxy = TunnelProxy::new(receiver.address(), ESTABLISHED).await;
    let builder = to("http://collector.test:4317").with_protocol(Protocol::Grpc);
    let delivery = send_once(builder.with_proxy(proxy.proxy())).await;
    assert!(delivery.is_accepted(), "{delivery:?}");
    assert_eq!(receiver.stats().spans, 3);
    let head = proxy.requests().remove(0);
    assert!(head.starts_with("CONNECT collector.test:4317 HTTP/1.1\r\n"), "{head}");
}

#[cfg(any(feature = "tls", feature = "grpc"))]
#[tokio::test]
async fn a_proxy_that_makes_no_tunnel_is_explained_and_gets_no_request() {
    let closed = spanwise_testkit::ClosedPort::new().unwrap();
    let target = closed.address().unwrap();
    let builders = || {
        [
            #[cfg(feature = "tls")]
            to("https://collector.test/v1/traces"),
            #[cfg(feature = "grpc")]
            to("http://collector.test:4317").with_protocol(spanwise_transport::Protocol::Grpc),
        ]
    };
    for (answer, cause) in [
        (
            &b"HTTP/1.1 407 hunter2\r\n\r\n"[..],
            "it requires credentials that it accepts (HTTP 407)",
        ),
        (b"HTTP/1.1 403 hunter2\r\n\r\n", "it refused the tunnel: HTTP 403"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "its answer is not HTTP/1.1"),
    ] {
        for builder in builders() {
            let proxy = TunnelProxy::new(target, answer).await;
            let delivery = send_once(builder.with_proxy(proxy.proxy())).await;
            let start = format!("the proxy http://[redacted]@{}: {cause}", proxy.address);
            assert!(delivery.cause.starts_with(&start), "{delivery:?}");
            assert!(!delivery.may_have_been_accepted(), "{delivery:?}");
            assert!(!format!("{delivery:?}").contains("hunter2"), "{delivery:?}");
            let advice = delivery.advice.clone().unwrap_or_default();
            assert!(advice.contains("HTTPS_PROXY"), "{advice}");
            assert!(
                advice.ends_with(" to NO_PROXY") && advice.contains("add collector.test"),
                "{advice}"
            );
            assert!(!proxy.requests()[0].contains("api-key"));
        }
    }
    for builder in builders() {
        let proxy = Proxy::parse("P", &closed.endpoint().unwrap()).unwrap();
        let delivery = send_once(builder.with_proxy(proxy)).await;
        assert!(delivery.cause.ends_with(": connection refused"), "{delivery:?}");
    }
}
