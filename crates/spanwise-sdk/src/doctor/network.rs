//! From the host name to the receiver's answer: sends a span through the transport, and explains each stage.

use super::attempt::{Attempt, Stage};
use super::check::{CheckStatus, DoctorCheck};
use super::host_name::look_up;
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
            let send = move || untraced(|| Attempt::send(transport, resource, limits.attempt));
            thread::Builder::new().name("spanwise-doctor".to_owned()).spawn_scoped(scope, send)
        };
        let further: Vec<_> = route.further.iter().take(MAX_FURTHER).map(send).collect();
        stages(&route.transport, resource, limits, progress);
        for attempt in further.into_iter().flatten().map(|thread| thread.join()) {
            // A panic of a user's sink costs this check alone.
            attempt.iter().for_each(|attempt| progress.add(attempt.further()));
        }
    });
    let unchecked = route.further.len().saturating_sub(MAX_FURTHER);
    if unchecked > 0 {
        let reason = format!("{unchecked} further destinations are not checked");
        progress.add(DoctorCheck::skipped("destination", reason));
    }
}

fn stages(transport: &Transport, resource: &[u8], limits: Limits, progress: &Progress) {
    let destination = transport.destination();
    let endpoint = transport.endpoint();
    if destination != endpoint.to_string() {
        let reason = format!("requests go to {destination}, not to the network");
        progress.add(DoctorCheck::skipped(Stage::Connection.name(), reason));
        return answer(&Attempt::send(transport, resource, limits.attempt), progress);
    }
    let before = observed(transport);
    let looked_up = look_up(endpoint, before.proxy.as_deref(), limits.lookup);
    let attempt = Attempt::send(transport, resource, limits.attempt);
    let after = observed(transport);
    let reached = Reached::new(&before, &after, &attempt.delivery);
    progress.add(looked_up.check(reached.connected, &attempt));
    if looked_up.is_failed() && !reached.connected {
        let stages = [Stage::Connection, Stage::Tls, Stage::Span];
        return skip(&stages, "the host name is not resolved", progress);
    }
    if !reached.connected {
        progress.add(attempt.failed(Stage::Connection));
        return skip(&[Stage::Tls, Stage::Span], "there is no connection", progress);
    }
    let peer = match &before.proxy {
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
    if let Some(date) = after.date {
        progress.add(clocks(date, attempt.ended));
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
