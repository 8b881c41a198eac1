//! Bodies and connections that abuse a parser or a protocol, beside a client that exports.

use crate::support;

use std::io::Write;
use std::time::{Duration, Instant};

use spanwise_receiver::{Limits, Receiver};
use support::raw::*;
use support::*;

/// The JSON of one span with an attribute of this value.
fn with_value(value: &str) -> String {
    let attributes = format!(r#"[{{"key":"k","value":{value}}}]"#);
    with_spans(&format!(r#"{{"attributes":{attributes}}}"#))
}

fn with_spans(spans: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#)
}

#[tokio::test]
async fn abused_json_has_its_status_and_leaves_nothing_in_memory() {
    const LEN: usize = 1 << 20;
    let limits = Limits::default().with_body_bytes(4 << 20).with_memory_bytes(16 << 20);
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let array = r#"{"arrayValue":{"values":["#;
    let nested =
        |depth: usize| with_value(&format!("{}{{}}{}", array.repeat(depth), "]}}".repeat(depth)));
    let number = |field: &str, digits: &str| with_value(&format!(r#"{{"{field}":{digits}}}"#));
    let cases = [
        ("open arrays", 400, "[".repeat(LEN)),
        ("open objects", 400, r#"{"a":"#.repeat(LEN / 5)),
        ("an unknown field of arrays", 400, format!("{{\"x\":{}", "[".repeat(LEN))),
        ("values in 20 arrays", 200, nested(20)),
        ("values in 20,000 arrays", 400, nested(20_000)),
        ("an endless integer", 400, number("intValue", &"9".repeat(LEN))),
        ("an endless fraction", 200, number("doubleValue", &format!("0.{}", "1".repeat(LEN)))),
        ("an endless exponent", 400, number("doubleValue", &format!("1e{}", "1".repeat(LEN)))),
        ("an integer above 64 bits", 400, number("intValue", "\"9223372036854775808\"")),
        ("a number beyond a double", 400, number("doubleValue", "1e999")),
        ("half a surrogate pair", 200, number("stringValue", r#""\ud83d""#)),
        ("escapes", 200, number("stringValue", &format!("\"{}\"", r"\u0000".repeat(LEN / 6)))),
        ("an endless string", 400, format!("{{\"x\":\"{}", "x".repeat(LEN))),
        ("spaces", 200, format!("{}{{}}", " ".repeat(LEN))),
        ("unknown fields", 200, format!("{{{}\"z\":1}}", r#""a":1,"#.repeat(LEN / 6))),
        ("empty spans", 200, with_spans(&format!("{}{{}}", "{},".repeat(LEN / 3)))),
        ("ids of an odd length", 400, with_spans(r#"{"traceId":"0"}"#)),
    ];
    let mut cases = cases.map(|(name, status, json)| (name, status, json.into_bytes())).to_vec();
    cases.push(("not UTF-8", 400, b"{\"\xff\":1}".to_vec()));
    let mut client = Http1::connect(&receiver).await;
    let mut good = Http2::connect(&receiver).await;
    for (name, status, body) in cases {
        for packed in [false, true] {
            let coding = if packed { "gzip" } else { "identity" };
            let body = if packed { gzip(&body) } else { body.clone() };
            let draft = draft("POST", TRACES, body).header("content-type", "application/json");
            let request = draft.header("content-encoding", coding).body_of();
            let start = Instant::now();
            assert_eq!(client.send(request).await.status, status, "{name}, {coding}");
            // Not a measurement: time that grows with the square of the length takes minutes.
            assert!(start.elapsed() < PATIENCE / 2, "{name}, {coding}: {:?}", start.elapsed());
        }
        let exported = good.export(&request(1, "good").1).await;
        assert_eq!(exported.grpc("grpc-status"), Some("0"), "{name}");
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}

/// The receiver reads no further request while a response waits, and the connection counts as idle.
#[test]
fn a_client_that_pipelines_exports_and_reads_no_response_is_closed() {
    let limits = Limits::default().with_idle_timeout(Duration::from_millis(100));
    let receiver = Receiver::builder().with_limits(limits).start().unwrap();
    let mut stream = connect(&receiver);
    let body = request(1, "x").1;
    let export = head(&format!("content-length: {}\r\n\r\n", body.len())).into_bytes();
    let exports = [export, body].concat().repeat(1000);
    let start = Instant::now();
    // The buffers of both sockets take the responses of tens of thousands of exports.
    let mut last_write = start;
    while stream.write_all(&exports).is_ok() {
        assert!(start.elapsed() < 10 * PATIENCE, "{:?}", receiver.stats());
        last_write = Instant::now();
    }
    // A write that times out is an error too, and takes longer.
    assert!(last_write.elapsed() < PATIENCE, "{:?}", receiver.stats());
    let start = Instant::now();
    while receiver.stats().buffer_bytes > 0 {
        assert!(start.elapsed() < PATIENCE, "{:?}", receiver.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(receiver.stats().bytes_in_memory, 0);
}
