//! Values at and beyond their edges: an error that names field, value and range, or it works.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use peer::{Act, Peer, answer, ok, request, send};
use spanwise_transport::{
    BuildError, Compression, Endpoint, Failure, Fetcher, Headers, Outcome, Protocol, RetryPolicy,
    Transport, TransportBuilder,
};
use tokio::time::Instant;

fn to(peer: &Peer) -> TransportBuilder {
    Transport::builder().with_endpoint(Endpoint::parse("TEST", &peer.url()).unwrap())
}

#[test]
fn numbers_out_of_range_are_named_with_value_and_range() {
    let builder = Transport::builder;
    let retry = RetryPolicy::default;
    let tiny = Duration::from_nanos(999_999);
    let cases = [
        (builder().with_attempt_timeout(Duration::ZERO), "attempt timeout", "0ns", "1ms"),
        (builder().with_attempt_timeout(tiny), "attempt timeout", "999.999µs", "1ms"),
        (builder().with_deadline(Duration::ZERO), "deadline", "0ns", "1ms"),
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
    for (timeout, most, field) in [
        (Duration::ZERO, 1, "timeout of a fetch"),
        (Duration::from_secs(1), 0, "most bytes of a fetch"),
        (Duration::from_secs(1), usize::MAX, "most bytes of a fetch"),
    ] {
        let error = Fetcher::new(endpoint.clone(), timeout, most).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn the_longest_times_are_times() {
    let busy = |after: &str| Act::Answer(answer(503, &format!("retry-after: {after}\r\n"), b""));
    let peer = Peer::new([busy("0"), ok()]).await;
    let longest = Duration::MAX;
    let retry = RetryPolicy::default().with_cap(longest).with_factor(10.0);
    let transport = to(&peer)
        .with_attempt_timeout(longest)
        .with_deadline(longest)
        .with_retry(retry)
        .build()
        .unwrap();
    let far = Instant::now() + Duration::from_secs(86_400 * 365 * 29);
    assert!(transport.send(request(1), far).await.is_accepted());
    // An endless wait, as the server asks, ends when it is cancelled.
    let peer = Peer::new([busy("99999999999999999999999")]).await;
    let transport = to(&peer).with_deadline(longest).build().unwrap();
    let delivery = transport.send(request(1), Instant::now() + Duration::from_millis(300)).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));
    assert!(!delivery.may_have_been_taken());
    // A moment that has passed.
    let past = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
    let delivery = transport.send(request(1), past).await;
    assert_eq!(delivery.outcome, Outcome::Failed(Failure::Shutdown));

    let document = Act::Answer(answer(200, "", b"{}"));
    let peer = Peer::new([document]).await;
    let endpoint = Endpoint::parse("TEST", &peer.url()).unwrap();
    let fetcher = Fetcher::new(endpoint, longest, 64 << 20).unwrap();
    assert_eq!(fetcher.get().await.unwrap(), &b"{}"[..]);
}

/// Short, on one line, nothing that a terminal obeys.
fn assert_tame(shown: &str) {
    assert!(shown.len() < 8 << 10, "{} bytes", shown.len());
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

fn assert_error_is_tame<E: std::error::Error + Debug>(error: E) {
    assert_tame(&error.to_string());
    assert_tame(&format!("{error:?}"));
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
                assert_error_is_tame(error);
            }
            if let Err(error) = Endpoint::parse_base(text, &url) {
                assert_error_is_tame(error);
            }
            match Endpoint::parse_grpc(text, &url, true) {
                Err(error) => assert_error_is_tame(error),
                Ok(endpoint) => assert_tame(&format!("{endpoint} {endpoint:?}")),
            }
        }
        for list in
            [text.to_owned(), format!("{text}=v"), format!("k={text}"), format!("k\0={text}")]
        {
            match Headers::parse(&list) {
                Err(error) => assert_error_is_tame(error),
                Ok(headers) => assert_tame(&format!("{headers:?}")),
            }
        }
        assert_error_is_tame(text.parse::<Protocol>().unwrap_err());
        assert_error_is_tame(text.parse::<Compression>().unwrap_err());
        let builder = Transport::builder().with_user_agent_prefix(text);
        assert_tame(&format!("{builder:?}"));
        match builder.build() {
            Err(error) => assert_error_is_tame(error),
            Ok(transport) => assert_tame(&format!("{transport:?}")),
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
            assert_tame(&format!("{builder:?}"));
            assert_error_is_tame(builder.build().unwrap_err());
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
async fn what_a_server_says_is_tame_and_echoes_no_secret() {
    let said = format!("\0\x1b[31mkey hunter2-in-query {}", "y".repeat(60_000));
    for status in [400, 413, 503] {
        let peer = Peer::new([Act::Answer(answer(status, "", said.as_bytes()))]).await;
        let url = format!("{}?key=hunter2-in-query", peer.url());
        let transport = Transport::builder()
            .with_endpoint(Endpoint::parse("TEST", &url).unwrap())
            .with_deadline(Duration::from_millis(200))
            .build()
            .unwrap();
        let delivery = send(&transport).await;
        let shown = format!("{delivery:?}");
        assert_tame(&shown);
        assert!(shown.contains("key [redacted]") && !shown.contains("hunter2"), "{shown}");
    }
    let partial = peer::partial_success(1, "\x1b[31m\0");
    let peer = Peer::new([Act::Answer(answer(200, "", &partial))]).await;
    assert_tame(&format!("{:?}", send(&to(&peer).build().unwrap()).await));
}

#[test]
fn bytes_of_any_length_are_a_message_or_none() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let peer = Peer::new([ok()]).await;
        let transport = to(&peer).build().unwrap();
        let soon = Instant::now() + Duration::from_secs(30);
        for len in [0, 1, 4, 5, 6, 100 << 20] {
            let message = Bytes::from(vec![b'\n'; len]);
            let delivery = transport.send(message, soon).await;
            assert!(delivery.is_accepted(), "{len}: {delivery:?}");
            assert_eq!(delivery.body_bytes, len);
        }
    });
}
