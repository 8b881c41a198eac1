//! From the host name to the receiver's answer: sends a span through the transport, and explains each stage.

use super::attempt::{Attempt, Stage};
use super::check::{CheckStatus, DoctorCheck};
use super::host_name::{LookedUp, look_up};
use super::run::{Progress, untraced};
use crate::span_route::SpanRoute;
use spanwise_transport::__private::{Observed, observed};
use spanwise_transport::{Delivery, Failure, Outcome, Transport};
use std::thread;
use std::time::{Duration, SystemTime};

/// The time limits of the stages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of resolving the host name.
    pub(super) lookup: Duration,
    /// Of the request: connecting, TLS and the answer.
    pub(super) attempt: Duration,
}

/// Sends one span by `route`, and one to each further destination meanwhile. Adds the checks of each stage.
pub(super) fn check(route: &SpanRoute, limits: Limits, progress: &Progress) {
    let resource = &*route.resource;
    thread::scope(|scope| {
        let send = |transport| {
            let send = move || untraced(|| further(transport, resource, limits));
            thread::Builder::new().name("spanwise-doctor".to_owned()).spawn_scoped(scope, send)
        };
        let further: Vec<_> = route.further.iter().take(MAX_FURTHER).map(send).collect();
        stages(&route.transport, resource, limits, progress);
        for check in further.into_iter().flatten().map(|thread| thread.join()) {
            // A panic of a user's sink costs this check alone.
            check.into_iter().for_each(|check| progress.add(check));
        }
    });
    let unchecked = route.further.len().saturating_sub(MAX_FURTHER);
    if unchecked > 0 {
        let reason = format!("{unchecked} further destinations are not checked");
        progress.add(DoctorCheck::skipped("destination", reason));
    }
}

fn stages(transport: &Transport, resource: &[u8], limits: Limits, progress: &Progress) {
    let endpoint = transport.endpoint();
    if !is_network(transport) {
        let reason = format!("requests go to {}, not to the network", transport.destination());
        progress.add(DoctorCheck::skipped(Stage::Connection.name(), reason));
        return answer(&Attempt::send(transport, resource, limits.attempt), progress);
    }
    let Sent { looked_up, attempt, reached, proxy, date } = Sent::new(transport, resource, limits);
    progress.add(looked_up.check(reached.connected, &attempt));
    if looked_up.is_failed() && !reached.connected {
        let stages = [Stage::Connection, Stage::Tls, Stage::Span];
        return skip(&stages, "the host name is not resolved", progress);
    }
    if !reached.connected {
        progress.add(attempt.failed(Stage::Connection));
        return skip(&[Stage::Tls, Stage::Span], "there is no connection", progress);
    }
    let peer = match &proxy {
        Some(proxy) => format!("the proxy {proxy}"),
        None => endpoint.unix_path().unwrap_or(endpoint.authority()).to_owned(),
    };
    let passed = |stage: Stage, finding: String| {
        progress.add(DoctorCheck::both(stage.name(), CheckStatus::Passed, finding));
    };
    passed(Stage::Connection, format!("connected to {peer}"));
    if !endpoint.is_https() {
        let reason = "the endpoint is http: requests are not encrypted";
        progress.add(DoctorCheck::skipped(Stage::Tls.name(), reason));
    } else if !reached.tls {
        progress.add(attempt.failed(Stage::Tls));
        return skip(&[Stage::Span], "there is no TLS session", progress);
    } else {
        passed(Stage::Tls, format!("the certificate of {} is trusted", endpoint.authority()));
    }
    answer(&attempt, progress);
    if let Some(date) = date {
        progress.add(clocks(date, attempt.ended));
    }
}

/// The check of a further destination: of the first stage that fails, or of the answer.
fn further(transport: &Transport, resource: &[u8], limits: Limits) -> DoctorCheck {
    if !is_network(transport) {
        let attempt = Attempt::send(transport, resource, limits.attempt);
        return attempt.further(&attempt.answer());
    }
    let Sent { looked_up, attempt, reached, .. } = Sent::new(transport, resource, limits);
    let check = match reached {
        Reached { connected: false, .. } if looked_up.is_failed() => {
            looked_up.check(false, &attempt)
        }
        Reached { connected: false, .. } => attempt.failed(Stage::Connection),
        Reached { tls: false, .. } if transport.endpoint().is_https() => attempt.failed(Stage::Tls),
        _ => attempt.answer(),
    };
    attempt.further(&check)
}

/// Whether requests go to the endpoint, not to a sink.
fn is_network(transport: &Transport) -> bool {
    transport.destination() == transport.endpoint().to_string()
}

/// A span that was sent to the network.
struct Sent {
    looked_up: LookedUp,
    attempt: Attempt,
    reached: Reached,
    proxy: Option<String>,
    /// The `Date` of the newest answer.
    date: Option<SystemTime>,
}

impl Sent {
    fn new(transport: &Transport, resource: &[u8], limits: Limits) -> Self {
        let before = observed(transport);
        let looked_up = look_up(transport.endpoint(), before.proxy.as_deref(), limits.lookup);
        let attempt = Attempt::send(transport, resource, limits.attempt);
        let after = observed(transport);
        let reached = Reached::new(&before, &after, &attempt.delivery);
        Self { looked_up, attempt, reached, proxy: before.proxy, date: after.date }
    }
}

fn answer(attempt: &Attempt, progress: &Progress) {
    attempt.compression().into_iter().for_each(|check| progress.add(check));
    if attempt.is_accepted() {
        progress.accepted();
    }
    progress.add(attempt.answer());
}

fn skip(stages: &[Stage], reason: &str, progress: &Progress) {
    stages.iter().for_each(|stage| progress.add(DoctorCheck::skipped(stage.name(), reason)));
}

/// The stages that a request reached.
struct Reached {
    connected: bool,
    tls: bool,
}

impl Reached {
    fn new(before: &Observed, after: &Observed, delivery: &Delivery) -> Self {
        // A connection of earlier requests, which a running provider has.
        let reused = delivery.is_accepted()
            || delivery.may_have_been_accepted()
            || matches!(
                delivery.outcome,
                Outcome::Failed(
                    Failure::Rejected { .. } | Failure::Redirect { .. } | Failure::TooLarge
                )
            );
        Self {
            connected: reused || after.connections > before.connections,
            tls: reused || after.tls_sessions > before.tls_sessions,
        }
    }
}

/// Compares the clock of this machine with the `Date` of the answer, which has seconds.
fn clocks(date: SystemTime, now: SystemTime) -> DoctorCheck {
    let (off, way) = match date.duration_since(now) {
        Ok(behind) => (behind, "behind"),
        Err(ahead) => (ahead.duration(), "ahead of"),
    };
    if off <= CLOCKS_AGREE {
        let finding = "the clocks of this machine and of the receiver agree within a minute";
        return DoctorCheck::both(CLOCK, CheckStatus::Passed, finding);
    }
    let minutes = off.as_secs() / 60;
    let finding = format!(
        "the clock of this machine is {} h {:02} min {way} the clock of the receiver",
        minutes / 60,
        minutes % 60
    );
    DoctorCheck::both(CLOCK, CheckStatus::Warning, finding).with_fix(CLOCK_FIX)
}

const CLOCK: &str = "clock";
/// `Date` has seconds, and answers take time.
const CLOCKS_AGREE: Duration = Duration::from_secs(60);
const CLOCK_FIX: &str = "synchronize the clock of this machine: backends refuse spans of another time, or show them at that \
                         time";
/// Further destinations that are checked: each has a thread.
const MAX_FURTHER: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
    use super::*;
    use spanwise_transport::Endpoint;
    use std::net::TcpListener;

    /// The kernel accepts the connection, and no thread answers.
    #[test]
    fn a_further_destination_fails_at_the_stage_that_it_does_not_reach() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let limits = Limits { lookup: Duration::ZERO, attempt: Duration::from_millis(200) };
        let found = |url: &str| {
            let endpoint = Endpoint::parse_base("test", url).unwrap();
            let check = further(
                &Transport::builder().with_endpoint(endpoint).build().unwrap(),
                &[],
                limits,
            );
            let finding = check.finding().split_once(": ").unwrap().1.to_owned();
            (finding, check.fix().unwrap_or_default().to_owned())
        };
        // The lookup has no time, unless it fails at once.
        let (finding, fix) = found("http://doctor.invalid:4318");
        assert!(finding.starts_with("the host name "), "{finding}");
        assert!(fix.contains("host name"), "{fix}");
        let (finding, fix) = found(&format!("http://127.0.0.1:{port}"));
        assert_eq!(finding, "no answer within 200ms");
        assert!(fix.starts_with("the peer is connected and silent"), "{fix}");
        #[cfg(feature = "tls")]
        assert_eq!(found(&format!("https://127.0.0.1:{port}")).0, "no TLS session within 200ms");
    }
}
