//! Values at and beyond their edges: an error that names field, value and range, or it works.

#![cfg(feature = "tokio")]

use crate::peer;

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use peer::{Act, Peer, answer, ok, request, send};
use spanwise_transport::{
    BuildError, Compression, Delivery, Endpoint, Failure, Fetcher, Headers, Outcome, Protocol,
    ResponseStatus, RetryPolicy, Transport, TransportBuilder,
};
use tokio::time::Instant;

fn to(peer: &Peer) -> TransportBuilder {
    Transport::builder().with_endpoint(Endpoint::parse("TEST", &peer.url()).unwrap())
}

#[test]
fn an_error_names_the_number_its_value_and_its_range() {
    let builder = Transport::builder;
    let retry = RetryPolicy::default;
    let tiny = Duration::from_nanos(999_999);
    let cases = [
        (builder().with_attempt_timeout(Duration::ZERO), "attempt timeout", "0ns", "1ms"),
        (builder().with_attempt_timeout(tiny), "attempt timeout", "999.999µs", "1ms"),
        (builder().with_request_timeout(Duration::ZERO), "request timeout", "0ns", "1ms"),
        (builder().with_retry(retry().with_initial(tiny)), "first wait", "999.999µs", "1ms"),
        (builder().with_retry(retry().with_cap(Duration::ZERO)), "cap", "0ns", "1ms"),
        (builder().with_retry(retry().with_factor(f64::NAN)), "factor", "NaN", "1.0 to 10.0"),
        (builder().with_retry(retry().with_factor(0.9)), "factor", "0.9", "1.0 to 10.0"),
        (builder().with_retry(retry().with_factor(f64::MAX)), "factor", "e308", "1.0 to 10.0"),
        (builder().with_retry(retry().with_factor(-f64::INFINITY)), "factor", "-inf", "1.0 to"),
    ];
    for (builder, field, value, range) in cases {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, BuildError::OutOfRange { .. }), "{error}");
        let text = error.to_string();
        assert!([field, value, range].iter().all(|part| text.contains(part)), "{text}");
    }
    let endpoint = Endpoint::parse("TEST", "http://127.0.0.1:1/").unwrap();
    for (timeout, max, field) in [
        (Duration::ZERO, 1, "timeout of a fetch"),
        (Duration::from_secs(1), 0, "maximum bytes of a fetch"),
        (Duration::from_secs(1), usize::MAX, "maximum bytes of a fetch"),
    ] {
        let error = Fetcher::new(endpoint.clone(), timeout, max).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn the_longest_durations_are_valid() {
    let busy = |after: &str| Act::Answer(answer(503, &format!("retry-after: {after}\r\n"), b""));
    let peer = Peer::new([busy("0"), ok()]).await;
    let longest = Duration::MAX;
    let retry = RetryPolicy::default().with_cap(longest).with_factor(10.0);
    let transport = to(&peer)
        .with_attempt_timeout(longest)
        .with_request_timeout(longest)
        .with_retry(retry)
        .build()
        .unwrap();
    let far = Instant::now() + Duration::from_secs(86_400 * 365 * 29);
    assert!(transport.send_until(request(1), far.into()).await.is_accepted());
    // An endless wait, as the server asks, ends when it is cancelled.
    let peer = Peer::new([busy("99999999999999999999999")]).await;
    let transport = to(&peer).with_request_timeout(longest).build().unwrap();
    let delivery =
        transport.send_until(request(1), (Instant::now() + Duration::from_secs(1)).into()).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
    assert!(!delivery.may_have_been_accepted());
    // A moment that has passed.
    let past = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
    let delivery = transport.send_until(request(1), past.into()).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));

    let document = Act::Answer(answer(200, "", b"{}"));
    let peer = Peer::new([document]).await;
    let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
    let fetcher = Fetcher::new(endpoint, longest, 64 << 20).unwrap();
    assert_eq!(fetcher.get().await.unwrap(), &b"{}"[..]);
}

/// Checks that a text is short, on one line, and without control characters.
fn assert_sanitized(shown: &str) {
    assert!(shown.len() < 8 << 10, "{} bytes", shown.len());
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

fn assert_error_is_sanitized<E: std::error::Error + Debug>(error: E) {
    assert_sanitized(&error.to_string());
    assert_sanitized(&format!("{error:?}"));
}

#[test]
fn hostile_text_does_not_reach_errors() {
    let long = "x".repeat(100_000);
    let nasty = ["\0", "\x1b[2J\x1b]0;owned\x07", "a\r\nb", "\u{9b}31m", "\u{202e}", &*long];
    for text in nasty {
        for url in [
            text.to_owned(),
            format!("http://{text}"),
            format!("http://h/{text}"),
            format!("http://h:{text}"),
            format!("{text}://h"),
            format!("http://u:p@{text}"),
        ] {
            if let Err(error) = Endpoint::parse(text, &url) {
                assert_error_is_sanitized(error);
            }
            if let Err(error) = Endpoint::parse_base(text, &url) {
                assert_error_is_sanitized(error);
            }
            match Endpoint::parse_grpc(text, &url, true) {
                Err(error) => assert_error_is_sanitized(error),
                Ok(endpoint) => assert_sanitized(&format!("{endpoint} {endpoint:?}")),
            }
        }
        for list in
            [text.to_owned(), format!("{text}=v"), format!("k={text}"), format!("k\0={text}")]
        {
            match Headers::parse(&list) {
                Err(error) => assert_error_is_sanitized(error),
                Ok(headers) => assert_sanitized(&format!("{headers:?}")),
            }
        }
        assert_error_is_sanitized(text.parse::<Protocol>().unwrap_err());
        assert_error_is_sanitized(text.parse::<Compression>().unwrap_err());
        let builder = Transport::builder().with_user_agent_prefix(text);
        assert_sanitized(&format!("{builder:?}"));
        match builder.build() {
            Err(error) => assert_error_is_sanitized(error),
            Ok(transport) => assert_sanitized(&format!("{transport:?}")),
        }
        for pem in [
            text.to_owned(),
            format!("-----BEGIN {text}-----\nAAAA\n-----END {text}-----\n"),
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"),
            format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END {text}-----\n"),
            format!("-----BEGIN CERTIFICATE-----\nAAAA\n{text}"),
        ] {
            let endpoint = Endpoint::parse("TEST", "https://h/").unwrap();
            let builder = Transport::builder().with_endpoint(endpoint).with_certificate_pem(pem);
            assert_sanitized(&format!("{builder:?}"));
            assert_error_is_sanitized(builder.build().unwrap_err());
        }
    }
    let mut many = Headers::new();
    for n in 0..2_000 {
        many = many.with(&format!("{n}-{}", "n".repeat(500)), "hunter2").unwrap();
    }
    let shown = format!("{many:?}");
    assert!(shown.len() < 16 << 10 && shown.contains("1968"), "{}", shown.len());
}

#[tokio::test]
async fn messages_of_a_server_are_sanitized_and_masked() {
    let message = format!("\0\x1b[31mkey hunter2-in-query {}", "y".repeat(60_000));
    for status in [400, 413, 503] {
        let peer = Peer::new([Act::Answer(answer(status, "", message.as_bytes()))]).await;
        let url = format!("{}?key=hunter2-in-query", peer.url());
        let transport = Transport::builder()
            .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
            .with_request_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        let delivery = send(&transport).await;
        let shown = format!("{delivery:?}");
        assert_sanitized(&shown);
        assert!(shown.contains("key [redacted]") && !shown.contains("hunter2"), "{shown}");
    }
    let partial = peer::partial_success(1, "\x1b[31m\0");
    let peer = Peer::new([Act::Answer(answer(200, "", &partial))]).await;
    assert_sanitized(&format!("{:?}", send(&to(&peer).build().unwrap()).await));
}

#[test]
fn a_message_of_any_length_is_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let peer = Peer::new([ok()]).await;
        let transport = to(&peer).build().unwrap();
        let soon = Instant::now() + Duration::from_secs(30);
        for len in [0, 1, 4, 5, 6, 100 << 20] {
            let message = Bytes::from(vec![b'\n'; len]);
            let delivery = transport.send_until(message, soon.into()).await;
            assert!(delivery.is_accepted(), "{len}: {delivery:?}");
            assert_eq!(delivery.body_bytes, len);
        }
    });
}

/// `main` prints an error by its `Debug`; "Errors" of the standard library's guide: name the
/// problem.
#[test]
fn debug_of_an_error_equals_its_display_and_names_the_method() {
    fn same<E: std::error::Error>(error: E, starts: &str) {
        let text = error.to_string();
        assert_eq!(format!("{error:?}"), text);
        assert!(text.starts_with(starts), "{text}");
    }
    let zero = Transport::builder().with_attempt_timeout(Duration::ZERO);
    same(zero.build().unwrap_err(), "with_attempt_timeout ");
    let agent = Transport::builder().with_user_agent_prefix("a\nb");
    same(agent.build().unwrap_err(), "with_user_agent_prefix: ");
    same(Endpoint::parse("OTEL_X", "collector:4318").unwrap_err(), "OTEL_X=`collector:4318`: ");
    same(Headers::parse("a").unwrap_err(), "header entry 1 ");
    same("x".parse::<Protocol>().unwrap_err(), "unknown protocol `x`");
    same("x".parse::<Compression>().unwrap_err(), "unknown compression `x`");
    same(Failure::Tls, "no TLS session");
    same(spanwise_transport::FetchError::Status(404), "HTTP status 404");
    #[cfg(not(feature = "grpc"))]
    {
        let grpc = Transport::builder().with_protocol(Protocol::Grpc).with_crate_name("shop");
        let text = "the protocol grpc needs the feature `grpc`, which is not compiled in: add \
                    features = [\"grpc\"] to shop in Cargo.toml, or use http/protobuf (port 4318)";
        same(grpc.build().unwrap_err(), text);
    }
    #[cfg(not(feature = "tls"))]
    {
        let endpoint = Endpoint::parse("TEST", "https://u/?k=hunter2").unwrap();
        let https = Transport::builder().with_endpoint(endpoint).with_crate_name("shop");
        let text = "https://u/?[redacted] needs the feature `tls`, which is not compiled in: add \
                    features = [\"tls\"] to shop in Cargo.toml, or use an http:// endpoint";
        same(https.build().unwrap_err(), text);
    }
    let outcomes = [
        (Outcome::Failed(Failure::TooLarge), "the request is too large"),
        (Outcome::Accepted { rejected: 0, message: None }, "accepted"),
        (
            Outcome::Accepted { rejected: 2, message: Some("a\nb".into()) },
            "accepted except 2 spans; the receiver's message: a b",
        ),
    ];
    for (outcome, text) in outcomes {
        assert_eq!((outcome.to_string(), format!("{outcome:?}")), (text.into(), text.into()));
    }
}

/// A delivery has the status and the size once, although its outcome and its cause state them.
#[test]
fn the_text_of_a_delivery_does_not_repeat_its_outcome() {
    let status = |code| Failure::Rejected { status: ResponseStatus::Http(code) };
    let busy = Failure::RetryDeadline { last: Some(ResponseStatus::Http(429)) };
    for (failure, cause, text) in [
        (status(400), "HTTP 400 Bad Request: no id", "rejected with HTTP 400 Bad Request: no id ("),
        (status(400), "HTTP 400 Bad Request", "rejected with HTTP 400 Bad Request ("),
        (status(400), "", "rejected with HTTP 400 Bad Request ("),
        (
            busy,
            "HTTP 429 Too Many Requests: later",
            "still HTTP 429 Too Many Requests at the last attempt before the deadline: later (",
        ),
        (
            busy,
            "the throttle",
            "still HTTP 429 Too Many Requests at the last attempt before the deadline: the throttle (",
        ),
        (
            Failure::TooLarge,
            "the request is too large: 5 vs. 4",
            "the request is too large: 5 vs. 4 (",
        ),
        (Failure::TooLarge, "the request is too large", "the request is too large ("),
        (Failure::Tls, "no TLS session in any attempt", "no TLS session in any attempt ("),
        (
            Failure::Tls,
            "the TLS handshake failed",
            "no TLS session in any attempt: the TLS handshake failed (",
        ),
    ] {
        let mut delivery = Delivery::from(Outcome::Failed(failure));
        delivery.cause = cause.to_owned();
        assert!(delivery.to_string().starts_with(text), "{delivery}, not {text}");
    }
}

/// No secret in any text: not the query of a URL, not user info, not a header's value, not a
/// request; also not where a server echoes them.
#[tokio::test]
async fn no_text_contains_a_secret() {
    let canary = "hunter2-canary";
    let url_of = |address: &str| format!("http://{address}/p?key={canary}");
    let mut shown = Vec::new();
    for url in [
        format!("http://u:{canary}@h/"),
        format!("u:{canary}@h"),
        format!("//{canary}@h?{canary}"),
        format!("http://h:port/?key=a@{canary}"),
        format!("http://u:a?{canary}@h"),
        format!("http://u:{canary}?a@h"),
        format!("http://u:{canary}#a@h"),
        format!("http://h:port/#{canary}"),
    ] {
        let error = Endpoint::parse("S", &url).unwrap_err();
        shown.push(format!("{error} {error:?}"));
        let error = Endpoint::parse_grpc("S", &url, true).unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    // RFC 3986, 3.2.1 and 3.4: an `@` in a query ends no user info.
    let endpoint = Endpoint::parse("S", &format!("http://h/p?key=a@{canary}")).unwrap();
    assert_eq!(endpoint.to_string(), "http://h/p?[redacted]");
    shown.push(format!("{endpoint:?}"));
    for list in [format!("a\0={canary}"), canary.to_owned(), format!("a={canary}%0a")] {
        let error = Headers::parse(&list).unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let page = format!("{canary} and {canary}");
    let failing =
        [401, 404, 413, 503].map(|status| Act::Answer(answer(status, "", page.as_bytes())));
    let warned = peer::partial_success(0, &page);
    let type_of = format!("content-type: text/{canary}\r\n");
    let odd = [Act::Answer(answer(200, "", &warned)), Act::Answer(answer(200, &type_of, b""))];
    let closing = [Act::Close(1)];
    for act in failing.into_iter().chain(odd).chain(closing) {
        let peer = Peer::new([act]).await;
        let reported = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let keep = reported.clone();
        let builder = Transport::builder()
            .with_endpoint(Endpoint::parse("S", &url_of(&peer.address.to_string())).unwrap())
            .with_headers(Headers::parse(&format!("authorization=Bearer%20{canary}")).unwrap())
            .with_certificate_pem(canary)
            .with_request_timeout(Duration::from_millis(100))
            .with_attempt_observer(move |failed| {
                keep.lock().unwrap().push(format!("{failed} {failed:?} {}", failed.endpoint));
            });
        shown.push(format!("{builder:?}"));
        let transport = builder.build().unwrap();
        shown.push(format!("{transport:?} {:?} {}", transport.endpoint(), transport.endpoint()));
        let request = spanwise_transport::FramedRequest::from_message(
            &[b"\n\x0e".as_slice(), canary.as_bytes()].concat(),
        );
        shown.push(format!("{request:?}"));
        let delivery =
            transport.send_until(request, (Instant::now() + Duration::from_secs(30)).into()).await;
        shown.push(format!("{delivery} {delivery:?} {:?} {}", delivery.outcome, delivery.cause));
        shown.append(&mut reported.lock().unwrap());
        let endpoint = transport.endpoint().clone();
        let fetcher = Fetcher::new(endpoint, Duration::from_millis(100), 1).unwrap();
        shown.push(format!("{fetcher:?}"));
        if let Err(error) = fetcher.get().await {
            shown.push(format!("{error} {error:?}"));
        }
    }
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
        assert_sanitized(&text);
    }
}

/// RFC 9110, 5.5: a field value is visible ASCII, spaces, tabs and bytes above 127.
#[tokio::test]
async fn an_error_names_the_invalid_header_without_its_value() {
    let binary = Headers::parse("x-trace-bin=%00hunter2").unwrap();
    let error = Transport::builder().with_headers(binary).build().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`x-trace-bin` cannot be sent over http/protobuf"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    // Over HTTP it is a name like any other.
    let peer = Peer::new([ok()]).await;
    let headers = Headers::parse("x-trace-bin=AAE,x-name=gr%c3%bc%c3%9fe").unwrap();
    let delivery = send(&to(&peer).with_headers(headers).build().unwrap()).await;
    assert!(delivery.is_accepted(), "{delivery}");
    let received = peer.received();
    assert_eq!(received[0].header("x-trace-bin"), Some("AAE"));
    assert_eq!(received[0].header("x-name"), Some("gr\u{fc}\u{df}e"));
}

/// RFC 9112, 3.2.1 and RFC 3986, 2.1: the request line holds the path percent-encoded.
#[tokio::test]
async fn the_request_line_is_percent_encoded() {
    let peer = Peer::new([ok()]).await;
    let url = format!("http://{}/sp\u{e4}n %41/%zz?k=\u{fc}", peer.address);
    let endpoint = Endpoint::parse_base("TEST", &url).unwrap();
    assert!(
        send(&Transport::builder().with_endpoint(endpoint).build().unwrap()).await.is_accepted()
    );
    let line = "POST /sp%C3%A4n%20%41/%25zz/v1/traces?k=%C3%BC HTTP/1.1\r\n";
    assert!(peer.received()[0].head.starts_with(line), "{}", peer.received()[0].head);
}
