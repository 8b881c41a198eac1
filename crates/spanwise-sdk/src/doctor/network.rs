//! From the host name to the receiver's answer: sends a span through the transport, and explains what happened.

use super::check::{CheckStatus, DoctorCheck};
use super::request::{NAME, ProbeRequest};
use super::run::Progress;
use crate::span_route::SpanRoute;
use spanwise_transport::__private::{Observed, observed};
use spanwise_transport::{Delivery, Endpoint, FailedAttempt, Failure, Outcome};
use spanwise_worker::clock;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Sends one span by `route` and adds the checks of each stage.
pub(super) fn check(route: &SpanRoute, limits: Limits, progress: &Progress) {
    let transport = &route.transport;
    let destination = transport.destination();
    if destination != transport.endpoint().to_string() {
        let reason = format!("requests go to {destination}, not to the network");
        progress.add(DoctorCheck::skipped(CONNECTION, reason));
        let sent = send(route, limits.attempt);
        return span(route, &sent, &limits, progress);
    }
    let before = observed(transport);
    let looked_up = look_up(transport.endpoint(), &before, limits.lookup);
    let sent = send(route, limits.attempt);
    let after = observed(transport);
    let reached = Reached::new(&before, &after, &sent.delivery);
    let is_https = transport.endpoint().is_https();
    name(&looked_up, reached.connected, &sent, progress);
    if matches!(looked_up, LookedUp::Failed(_)) && !reached.connected {
        return skip(&[CONNECTION, TLS, SPAN], "the host name is not resolved", progress);
    }
    let peer = before.proxy.as_deref().map_or_else(
        || transport.endpoint().unix_path().unwrap_or(transport.endpoint().authority()).to_owned(),
        |proxy| format!("the proxy {proxy}"),
    );
    if !reached.connected {
        progress.add(sent.failed(CONNECTION, &limits));
        return skip(&[TLS, SPAN], "there is no connection", progress);
    }
    progress.add(DoctorCheck::both(
        CONNECTION,
        CheckStatus::Passed,
        format!("connected to {peer}"),
    ));
    if !is_https {
        progress.add(DoctorCheck::skipped(TLS, "the endpoint is http: requests are not encrypted"));
    } else if !reached.tls {
        progress.add(sent.failed(TLS, &limits));
        return skip(&[SPAN], "there is no TLS session", progress);
    } else {
        let trusted = format!("the certificate of {} is trusted", transport.endpoint().authority());
        progress.add(DoctorCheck::both(TLS, CheckStatus::Passed, trusted));
    }
    span(route, &sent, &limits, progress);
    if let Some(date) = after.date {
        progress.add(clocks(date, sent.ended));
    }
}

/// The time limits of the stages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of resolving the host name.
    pub(super) lookup: Duration,
    /// Of the request: connecting, TLS and the answer.
    pub(super) attempt: Duration,
}

fn skip(names: &[&'static str], reason: &str, progress: &Progress) {
    names.iter().for_each(|name| progress.add(DoctorCheck::skipped(name, reason)));
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

/// The host name of the endpoint.
enum LookedUp {
    /// There is none to resolve here; with the reason.
    NoName(String),
    Addresses(String),
    Failed(String),
}

fn look_up(endpoint: &Endpoint, before: &Observed, limit: Duration) -> LookedUp {
    if endpoint.unix_path().is_some() {
        return LookedUp::NoName("the endpoint is a Unix socket".to_owned());
    }
    if let Some(proxy) = &before.proxy {
        return LookedUp::NoName(format!("the proxy {proxy} resolves the host name"));
    }
    let authority = endpoint.authority().to_owned();
    let host = host(&authority).to_owned();
    let address = host.trim_matches(['[', ']']);
    if address.parse::<IpAddr>().is_ok() {
        return LookedUp::NoName(format!("{address} is an address"));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let resolved_host = host.clone();
    // The resolver of the system has its own, longer timeout.
    let lookup = move || {
        let found = (&*resolved_host, 0).to_socket_addrs();
        let _too_late = sender.send(found.map(|all| all.map(|address| address.ip()).collect()));
    };
    if let Err(error) = thread::Builder::new().name("spanwise-doctor".to_owned()).spawn(lookup) {
        return LookedUp::Failed(format!("no thread can be started: {error}"));
    }
    let found: io::Result<BTreeSet<IpAddr>> = match receiver.recv_timeout(limit) {
        Ok(found) => found,
        Err(_) => {
            let problem = format!("the host name is not resolved within {limit:?}");
            return LookedUp::Failed(problem);
        }
    };
    match found {
        Ok(addresses) if !addresses.is_empty() => {
            let shown: Vec<_> =
                addresses.iter().take(MAX_ADDRESSES).map(IpAddr::to_string).collect();
            LookedUp::Addresses(format!("{host} is {}", shown.join(", ")))
        }
        Ok(_) => LookedUp::Failed("the host name cannot be resolved: no address".to_owned()),
        Err(error) => LookedUp::Failed(format!("the host name cannot be resolved: {error}")),
    }
}

/// The host of an authority, without its port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn name(looked_up: &LookedUp, is_connected: bool, sent: &Sent, progress: &Progress) {
    progress.add(match looked_up {
        LookedUp::NoName(reason) => DoctorCheck::skipped(HOST, reason),
        LookedUp::Addresses(found) => DoctorCheck::both(HOST, CheckStatus::Passed, found),
        // The transport was luckier, or its own name server was faster.
        LookedUp::Failed(problem) if is_connected => {
            DoctorCheck::both(HOST, CheckStatus::Warning, problem)
        }
        LookedUp::Failed(problem) => {
            let failed = DoctorCheck::both(HOST, CheckStatus::Failed, problem);
            match &sent.delivery.advice {
                Some(advice) => failed.with_fix(advice),
                None => failed,
            }
        }
    });
}

/// A request with one span, and its outcome.
struct Sent {
    trace_id: String,
    delivery: Delivery,
    /// The receiver refused the compression, with this attempt.
    refused: Option<FailedAttempt>,
    took: Duration,
    /// The time of the answer.
    ended: SystemTime,
}

impl Sent {
    /// The check `name`, which failed as the delivery explains.
    fn failed(&self, name: &'static str, limits: &Limits) -> DoctorCheck {
        let Delivery { outcome, cause, advice, .. } = &self.delivery;
        let cancelled = matches!(outcome, Outcome::Failed(Failure::Shutdown));
        let finding = match () {
            () if cancelled && cause.starts_with("cancelled") => match name {
                CONNECTION => format!("no connection within {:?}", limits.attempt),
                TLS => format!("no TLS session within {:?}", limits.attempt),
                _ => format!("no answer within {:?}", limits.attempt),
            },
            () if cause.is_empty() => outcome.to_string(),
            () => cause.clone(),
        };
        let too_large = matches!(outcome, Outcome::Failed(Failure::TooLarge));
        let fix = match advice {
            Some(advice) => advice.clone(),
            None if too_large => TOO_LARGE.to_owned(),
            None if finding.contains(" within ") => match name {
                CONNECTION => UNREACHABLE.to_owned(),
                _ => SILENT.to_owned(),
            },
            None => return DoctorCheck::both(name, CheckStatus::Failed, finding),
        };
        DoctorCheck::both(name, CheckStatus::Failed, finding).with_fix(fix)
    }
}

/// Sends a span in one attempt, and in a second one if the receiver refuses the compression of the first.
fn send(route: &SpanRoute, limit: Duration) -> Sent {
    let request = ProbeRequest::new(&route.resource);
    let trace_id = format!("{:032x}", request.trace_id.0);
    let started = Instant::now();
    let failures = Arc::new((Mutex::new((None, None)), Notify::new()));
    let observer = failures.clone();
    let transport = route.transport.clone().with_attempt_observer(move |failed| {
        let mut seen = observer.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.refused_compression {
            Some(_) => seen.0 = Some(failed.clone()),
            None => {
                seen.1 = Some(failed.clone());
                // The first failure ends the request.
                observer.1.notify_one();
            }
        }
    });
    let sending = async {
        let end = async {
            let _failed_or_late = tokio::time::timeout(limit, failures.1.notified()).await;
        };
        transport.send_with_cancel(request.bytes, end).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut delivery = match runtime {
        Ok(runtime) => {
            let delivery = runtime.block_on(sending);
            // A resolver that hangs has a thread of its own.
            runtime.shutdown_background();
            delivery
        }
        Err(error) => {
            let mut delivery = Delivery::from(Outcome::Failed(Failure::Unsendable));
            delivery.cause = format!("the runtime of the doctor cannot be built: {error}");
            delivery
        }
    };
    let (took, ended) = (started.elapsed(), now());
    let (refused, failed) =
        std::mem::take(&mut *failures.0.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(failed) = failed.filter(|_| !delivery.is_accepted()) {
        let FailedAttempt { cause, advice, .. } = failed;
        (delivery.cause, delivery.advice) = (cause, advice);
    }
    Sent { trace_id, delivery, refused, took, ended }
}

/// The answer to the span.
fn span(route: &SpanRoute, sent: &Sent, limits: &Limits, progress: &Progress) {
    if let Some(FailedAttempt { cause, advice, refused_compression: Some(compression), .. }) =
        &sent.refused
    {
        let finding =
            format!("the receiver refuses {compression}: {cause}; requests follow uncompressed");
        let check = DoctorCheck::both("compression", CheckStatus::Warning, finding);
        progress.add(check.with_fix(advice.as_deref().unwrap_or_default()));
    }
    let Sent { delivery, took, trace_id, .. } = sent;
    let check = |status, finding: String| DoctorCheck::both(SPAN, status, finding);
    progress.add(match &delivery.outcome {
        Outcome::Accepted { .. } if delivery.response_undecodable => {
            check(CheckStatus::Failed, delivery.cause.clone()).with_fix(NOT_OTLP)
        }
        Outcome::Accepted { rejected: 1.., message } => {
            let message = message.as_deref().unwrap_or("it gives no reason");
            let finding = format!("the receiver took the request and rejected the span: {message}");
            check(CheckStatus::Failed, finding).with_fix(REJECTED)
        }
        Outcome::Accepted { message, .. } => {
            progress.accepted();
            let accepted = format!(
                "{} accepted a span named `{NAME}` in {took:.1?}, trace id {trace_id}",
                route.transport.destination()
            );
            match message {
                Some(warning) => {
                    check(CheckStatus::Warning, format!("{accepted}, and warned: {warning}"))
                }
                None => check(CheckStatus::Passed, accepted),
            }
        }
        Outcome::Failed(_) => sent.failed(SPAN, limits),
    });
    if route.further > 0 {
        let reason = format!("{} further destinations are not checked", route.further);
        progress.add(DoctorCheck::skipped("destinations", reason));
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

/// The time of the spans' clock.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(clock::unix_nanos())
}

const HOST: &str = "name";
const CONNECTION: &str = "connection";
const TLS: &str = "TLS";
const SPAN: &str = "span";
const CLOCK: &str = "clock";

/// Addresses of a name that are shown.
const MAX_ADDRESSES: usize = 8;
/// `Date` has seconds, and answers take time.
const CLOCKS_AGREE: Duration = Duration::from_secs(60);

const NOT_OTLP: &str = "a web server, a login page or a proxy answers at this address, not an OTLP receiver: check host, \
                        port and path of the endpoint, and NO_PROXY";
const REJECTED: &str = "the message is the receiver's: its own log and limits have more";
const TOO_LARGE: &str = "raise the receiver's limit of a request, or lower with_max_request_bytes";
const UNREACHABLE: &str = "a firewall or a wrong address drops the packets: check host and port of the endpoint, and \
                           network policies";
const SILENT: &str =
    "the peer is connected and silent: check that the port is one of OTLP, and the receiver's load";
const CLOCK_FIX: &str = "synchronize the clock of this machine: backends refuse spans of another time, or show them at that \
                         time";
