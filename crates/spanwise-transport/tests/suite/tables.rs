//! The tables of OTLP 1.10 ("Failures" of OTLP/gRPC and OTLP/HTTP), transcribed from the specification's text,
//! against the state machine of a request: each status with each wait that a server can request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost::encoding::{bytes, int32, int64, string};
use spanwise_transport::sans_io::{
    Admission, AttemptEnd, BodyEnd, RequestMachine, RequestSettings, RequestStep, Response,
};
use spanwise_transport::{Delivery, Failure, Outcome, Protocol, ResponseStatus, RetryPolicy};

const SECOND: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_THROTTLE: Duration = Duration::from_secs(50);
/// The first wait is drawn from 0 to this.
const INITIAL: Duration = Duration::from_millis(100);

/// "OTLP/gRPC Response", "Failures": code, name, retryable.
const GRPC: &str = "
    1 CANCELLED yes
    2 UNKNOWN no
    3 INVALID_ARGUMENT no
    4 DEADLINE_EXCEEDED yes
    5 NOT_FOUND no
    6 ALREADY_EXISTS no
    7 PERMISSION_DENIED no
    8 RESOURCE_EXHAUSTED only-with-retry-info
    9 FAILED_PRECONDITION no
    10 ABORTED yes
    11 OUT_OF_RANGE yes
    12 UNIMPLEMENTED no
    13 INTERNAL no
    14 UNAVAILABLE yes
    15 DATA_LOSS yes
    16 UNAUTHENTICATED no";

/// "OTLP/HTTP Response", "Retryable Response Codes". "All other 4xx or 5xx response status codes MUST NOT be
/// retried."
const HTTP: &str =
    "429 Too Many Requests, 502 Bad Gateway, 503 Service Unavailable, 504 Gateway Timeout";

/// The step after an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Accepted,
    Failed(Failure),
    /// The next attempt follows between these waits.
    Retry(Duration, Duration),
}

/// The request, and the next one of the same transport, after an attempt that ends like this.
fn after(end: AttemptEnd, protocol: Protocol, random: u64) -> (Next, Duration) {
    let settings = RequestSettings {
        attempt_timeout: 10 * SECOND,
        request_timeout: REQUEST_TIMEOUT,
        retry: RetryPolicy::default(),
    };
    let (start, admission) = (Instant::now(), Admission::new(MAX_THROTTLE, None));
    let mut machine = RequestMachine::new(settings, start);
    let RequestStep::Attempt { .. } = machine.poll(start, &admission) else {
        panic!("the first attempt is due")
    };
    let end = machine.attempt_ended(start, end.classify(protocol, now()), &admission, || random);
    let next = match end {
        Some(Delivery { outcome: Outcome::Accepted { .. }, .. }) => Next::Accepted,
        Some(Delivery { outcome: Outcome::Failed(failure), .. }) => Next::Failed(failure),
        None => {
            let wait = wait(&mut machine, start, &admission);
            Next::Retry(wait, wait)
        }
    };
    (next, wait(&mut RequestMachine::new(settings, start), start, &admission))
}

/// The wait before the next attempt.
fn wait(machine: &mut RequestMachine, start: Instant, admission: &Admission) -> Duration {
    let mut at = start;
    loop {
        match machine.poll(at, admission) {
            RequestStep::WaitUntil(later) => at = later,
            RequestStep::Attempt { .. } => return at - start,
            RequestStep::End(delivery) => panic!("{delivery}"),
        }
    }
}

/// 2026-01-01T00:00:00Z
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// The step after a retryable failure whose server requests this wait.
fn retried(asked: Option<Duration>, status: ResponseStatus, random: u64) -> Next {
    // Full jitter: a uniform fraction of the bound.
    let own = INITIAL.mul_f64(random as f64 / 2f64.powi(64));
    // No longer than leaves one attempt.
    let wait = asked.map_or(own, |asked| asked.min(MAX_THROTTLE).max(own));
    match wait < REQUEST_TIMEOUT {
        true => Next::Retry(wait, wait),
        false => {
            let inconclusive =
                matches!(status, ResponseStatus::Http(502 | 504) | ResponseStatus::Grpc(1 | 4));
            Next::Failed(match inconclusive {
                true => Failure::AmbiguousTimeout,
                false => Failure::RetryDeadline { last: Some(status) },
            })
        }
    }
}

#[track_caller]
fn assert_next(found: &Next, expected: &Next, case: &str) {
    match (found, expected) {
        (Next::Retry(found, _), Next::Retry(expected, _)) => {
            // A draw has 53 bits.
            let difference = found.abs_diff(*expected);
            assert!(difference < Duration::from_micros(1), "{case}: {found:?}, not {expected:?}");
        }
        _ => assert_eq!(found, expected, "{case}"),
    }
}

/// The wait of all other requests: as the server asked, but never longer than leaves each one attempt.
fn throttled(asked: Option<Duration>, is_retryable: bool) -> Duration {
    asked.filter(|_| is_retryable).map_or(Duration::ZERO, |asked| asked.min(MAX_THROTTLE))
}

#[test]
fn every_http_status_with_every_retry_after() {
    let retryable: Vec<u16> =
        HTTP.split(", ").map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    let nines = "9".repeat(8192);
    let month = 30 * 24 * 60 * 60;
    let month_text = month.to_string();
    // RFC 9110, 10.2.3: seconds, or a date in one of three forms; anything else is ignored.
    let afters = [
        (None, None),
        (Some("0"), Some(0)),
        (Some("00007"), Some(7)),
        (Some("120"), Some(120)),
        (Some(month_text.as_str()), Some(month)),
        (Some("18446744073709551616"), Some(u64::MAX)),
        (Some(nines.as_str()), Some(u64::MAX)),
        (Some("Thu, 01 Jan 2026 00:00:30 GMT"), Some(30)),
        (Some("Thursday, 01-Jan-26 00:00:30 GMT"), Some(30)),
        (Some("Thu Jan  1 00:00:30 2026"), Some(30)),
        (Some("Fri, 01 Jan 2016 00:00:00 GMT"), Some(0)),
        (Some("Fri, 31 Dec 9999 23:59:59 GMT"), Some(251_635_075_199)),
        (Some("-1"), None),
        (Some("+5"), None),
        (Some("1.5"), None),
        (Some("0x10"), None),
        (Some(""), None),
        (Some("soon"), None),
        (Some("5 seconds"), None),
        (Some("Thu, 32 Jan 2026 00:00:30 GMT"), None),
    ];
    let mut cases = 0;
    for status in 100..600 {
        for (value, seconds) in afters {
            let headers = value.map(|value| ("retry-after", value.to_owned()));
            let random = (cases % 1_000) << 54;
            let end = AttemptEnd::Response(Response {
                status,
                headers: headers.into_iter().collect(),
                body: BodyEnd::Complete(Vec::new()),
                trailers: Vec::new(),
            });
            let is_retryable = retryable.contains(&status);
            let asked = seconds.map(Duration::from_secs);
            let case = format!("{status} {value:.60?}");
            let (next, other) = after(end, Protocol::HttpProtobuf, random);
            let expected = match status {
                200..300 => Next::Accepted,
                _ if is_retryable => retried(asked, ResponseStatus::Http(status), random),
                300..400 => Next::Failed(Failure::Redirect { status }),
                413 => Next::Failed(Failure::TooLarge),
                400..600 => {
                    Next::Failed(Failure::Rejected { status: ResponseStatus::Http(status) })
                }
                // A final 1xx is no response of HTTP.
                _ => Next::Failed(Failure::AmbiguousResponse),
            };
            assert_next(&next, &expected, &case);
            assert_eq!(other, throttled(asked, is_retryable), "{case}");
            cases += 1;
        }
    }
    assert_eq!(cases, 500 * afters.len() as u64);
}

/// A `google.rpc.Status` with a `RetryInfo` of this delay among its details.
fn status_details(code: u32, delay: Option<(i64, i32)>) -> Vec<u8> {
    let any = |name: &str, value: Vec<u8>| {
        let mut any = Vec::new();
        string::encode(1, &format!("type.googleapis.com/google.rpc.{name}"), &mut any);
        bytes::encode(2, &value, &mut any);
        any
    };
    let mut status = Vec::new();
    int32::encode(1, &(code as i32), &mut status);
    string::encode(2, &"try later".to_owned(), &mut status);
    bytes::encode(3, &any("QuotaFailure", b"\x0a\x03abc".to_vec()), &mut status);
    if let Some((seconds, nanos)) = delay {
        let (mut duration, mut info) = (Vec::new(), Vec::new());
        int64::encode(1, &seconds, &mut duration);
        int32::encode(2, &nanos, &mut duration);
        bytes::encode(1, &duration, &mut info);
        bytes::encode(3, &any("RetryInfo", info), &mut status);
    }
    status
}

#[test]
fn every_grpc_code_with_every_retry_info() {
    let table: BTreeMap<u32, (&str, &str)> = GRPC
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let code = words.next().unwrap().parse().unwrap();
            (code, (words.next().unwrap(), words.next().unwrap()))
        })
        .collect();
    assert_eq!(table.keys().copied().collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
    let month = 30 * 24 * 60 * 60;
    let infos = [
        (None, None),
        (Some((0, 0)), Some(Duration::ZERO)),
        (Some((0, 1)), Some(Duration::from_nanos(1))),
        (Some((5, 500_000_000)), Some(Duration::from_millis(5_500))),
        (Some((month, 0)), Some(Duration::from_secs(month as u64))),
        (Some((i64::MAX, 999_999_999)), Some(Duration::new(i64::MAX as u64, 999_999_999))),
        // A negative delay is over already.
        (Some((-5, -7)), Some(Duration::ZERO)),
    ];
    let mut cases = 0;
    for (&code, &(name, retryable)) in &table {
        for (delay, asked) in infos {
            for (place, encoded) in [
                ("headers", STANDARD_NO_PAD.encode(status_details(code, delay))),
                ("trailers", STANDARD.encode(status_details(code, delay))),
            ] {
                let random = (cases * 7 % 1_000) << 54;
                let fields = vec![
                    ("grpc-status", code.to_string()),
                    ("grpc-message", "try%20later".to_owned()),
                    ("grpc-status-details-bin", encoded),
                ];
                let (headers, trailers) = match place {
                    "headers" => (fields, Vec::new()),
                    _ => (Vec::new(), fields),
                };
                let body = BodyEnd::Complete(Vec::new());
                let end = AttemptEnd::Response(Response { status: 200, headers, body, trailers });
                let status = ResponseStatus::Grpc(code);
                let is_retryable = match retryable {
                    "yes" => true,
                    "no" => false,
                    _ => delay.is_some(),
                };
                let expected = match is_retryable {
                    true => retried(asked, status, random),
                    false => Next::Failed(Failure::Rejected { status }),
                };
                let (next, other) = after(end, Protocol::Grpc, random);
                let case = format!("{code} {name} {delay:?} among the {place}");
                assert_next(&next, &expected, &case);
                assert_eq!(other, throttled(asked, is_retryable), "{case}");
                assert_eq!(status.to_string(), format!("gRPC {code} {name}"));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 16 * 7 * 2);
}

/// The seventeenth code of gRPC, with and without `RetryInfo`, which means nothing there.
#[test]
fn grpc_ok_is_a_success_whatever_its_details() {
    for delay in [None, Some((5, 0))] {
        let end = AttemptEnd::Response(Response {
            status: 200,
            headers: Vec::new(),
            body: BodyEnd::Complete(vec![0; 5]),
            trailers: vec![
                ("grpc-status", "0".to_owned()),
                ("grpc-status-details-bin", STANDARD.encode(status_details(0, delay))),
            ],
        });
        assert_eq!(after(end, Protocol::Grpc, 0), (Next::Accepted, Duration::ZERO));
    }
}

/// Each end of an attempt without a response, over both protocols.
#[test]
fn an_attempt_without_a_response_is_retried() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        for end in [AttemptEnd::NotSent, AttemptEnd::Unanswered] {
            let (next, other) = after(end, protocol, 1 << 63);
            assert_next(&next, &Next::Retry(INITIAL / 2, INITIAL / 2), "half of the bound");
            assert_eq!(other, Duration::ZERO);
        }
        let (next, _) = after(AttemptEnd::NotHttp, protocol, 0);
        assert_eq!(next, Next::Failed(Failure::AmbiguousResponse));
    }
}

/// Full jitter: the n-th wait is uniform from 0 to its bound, because it is linear in a uniform draw.
#[test]
fn waits_have_full_jitter() {
    for step in 0..=16u32 {
        let random = if step == 16 { u64::MAX } else { u64::from(step) << 60 };
        let settings = RequestSettings {
            attempt_timeout: 10 * SECOND,
            request_timeout: 1_000_000 * SECOND,
            retry: RetryPolicy::default(),
        };
        let (mut now, admission) = (Instant::now(), Admission::new(MAX_THROTTLE, None));
        let mut machine = RequestMachine::new(settings, now);
        for attempt in 0..20 {
            let RequestStep::Attempt { .. } = machine.poll(now, &admission) else { panic!("due") };
            let end = AttemptEnd::NotSent.classify(Protocol::HttpProtobuf, SystemTime::now());
            assert_eq!(machine.attempt_ended(now, end, &admission, || random), None);
            let bound = (0.1 * 1.6f64.powi(attempt)).min(5.0);
            let expected = bound * f64::from(step) / 16.0;
            let next = match machine.poll(now, &admission) {
                RequestStep::WaitUntil(at) => at,
                // No wait at all.
                _ => now,
            };
            let wait = (next - now).as_secs_f64();
            assert!((wait - expected).abs() < 1e-6, "{attempt}, {step}/16: {wait} {expected}");
            now = next;
        }
    }
}

/// A server that asks for a month stops the requests of a client for less than the timeout of one.
#[test]
fn a_retry_after_of_a_month_stops_no_request_for_longer_than_its_deadline() {
    let settings = RequestSettings {
        attempt_timeout: 10 * SECOND,
        request_timeout: REQUEST_TIMEOUT,
        retry: RetryPolicy::default(),
    };
    let (mut now, admission) = (Instant::now(), Admission::new(MAX_THROTTLE, None));
    for request in 0..100 {
        let start = now;
        let mut machine = RequestMachine::new(settings, start);
        let delivery = loop {
            now += wait(&mut machine, now, &admission);
            assert!(now - start <= MAX_THROTTLE, "an attempt begins while there is time for it");
            let end = AttemptEnd::Response(Response {
                status: 503,
                headers: vec![("retry-after", "2592000".to_owned())],
                body: BodyEnd::Complete(Vec::new()),
                trailers: Vec::new(),
            });
            let end = end.classify(Protocol::HttpProtobuf, SystemTime::now());
            if let Some(delivery) = machine.attempt_ended(now, end, &admission, || 0) {
                break delivery;
            }
        };
        let last = Some(ResponseStatus::Http(503));
        assert_eq!(delivery.outcome, Outcome::Failed(Failure::RetryDeadline { last }));
        // The first has an attempt before the throttle, and as all others one after it.
        assert_eq!((machine.attempts(), now - start), (1 + u32::from(request == 0), MAX_THROTTLE));
    }
}
