//! The costs and gains of a circuit breaker in an outage: one exporter with four requests in flight, in virtual
//! time, with the transport's own state machine.
//!
//! `cargo run -p spanwise-transport --example breaker_lab`

use spanwise_testkit::SplitMix64;
use spanwise_transport::sans_io::{
    Admission, AttemptEnd, BodyEnd, RequestMachine, RequestSettings, RequestStep, Response,
};
use spanwise_transport::{CircuitBreaker, Protocol, RetryPolicy};
use std::time::{Duration, Instant, SystemTime};

/// How the receiver fails.
#[derive(Debug, Clone, Copy)]
enum Outage {
    /// Connections are refused.
    Refuses,
    /// Requests are read and not answered: each may be stored.
    Hangs,
    /// Each request is answered with 503, without `Retry-After`, after 50 ms.
    Overloaded,
    /// Every second request is answered with 503.
    Half,
}

/// Sums of all runs.
#[derive(Debug, Default)]
struct Sums {
    /// Attempts to send within the outage.
    attempts: u64,
    /// Attempts that the receiver may have stored.
    ambiguous: u64,
    /// Requests that were given up.
    lost: u64,
    /// Requests that found the window full.
    refused: u64,
    /// Milliseconds from the end of the outage to the first accepted request.
    recovery: u64,
    /// The longest of them.
    slowest: u64,
}

struct InFlight {
    machine: RequestMachine,
    /// The next step, and the end of the attempt in flight.
    at: Instant,
    end: Option<AttemptEnd>,
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const RUNS: u64 = 200;
const WINDOW: usize = 4;
/// A request becomes due this often.
const EVERY: Duration = Duration::from_millis(500);

fn run(
    outage: Outage,
    lasts: Duration,
    breaker: Option<CircuitBreaker>,
    seed: u64,
    sums: &mut Sums,
) {
    let settings = RequestSettings {
        attempt_timeout: 10 * SECOND,
        request_timeout: 60 * SECOND,
        retry: RetryPolicy::default(),
    };
    let mut random = SplitMix64::new(seed);
    let admission = Admission::new(50 * SECOND, breaker);
    let start = Instant::now();
    let begins = start + 5 * SECOND + MS * (random.next_u64() % 1_000) as u32;
    let ends = begins + lasts;
    let (mut now, mut due) = (start, start);
    let mut requests: Vec<InFlight> = Vec::new();
    let mut recovered = None;
    while now < ends + 90 * SECOND {
        if now >= due {
            due = now + EVERY;
            match requests.len() < WINDOW {
                true => requests.push(InFlight {
                    machine: RequestMachine::new(settings, now),
                    at: now,
                    end: None,
                }),
                false => sums.refused += 1,
            }
        }
        let Some(index) = requests.iter().position(|request| request.at <= now) else {
            now = requests.iter().map(|request| request.at).min().map_or(due, |at| at.min(due));
            continue;
        };
        let request = &mut requests[index];
        if let Some(end) = request.end.take() {
            let is_ambiguous = end == AttemptEnd::Unanswered;
            sums.ambiguous += u64::from(is_ambiguous);
            let end = end.classify(Protocol::HttpProtobuf, SystemTime::UNIX_EPOCH);
            let draw = random.next_u64();
            let delivery = request.machine.attempt_ended(now, end, &admission, || draw);
            if let Some(delivery) = delivery {
                let is_first = recovered.is_none() && now >= ends && delivery.is_accepted();
                recovered = if is_first { Some(now - ends) } else { recovered };
                sums.lost += u64::from(!delivery.is_accepted());
                requests.swap_remove(index);
            }
            // The breaker may have closed.
            let waiting = requests.iter_mut().filter(|request| request.end.is_none());
            waiting.for_each(|request| request.at = now);
            continue;
        }
        match request.machine.poll(now, &admission) {
            RequestStep::WaitUntil(at) => request.at = at,
            RequestStep::End(_) => {
                sums.lost += 1;
                requests.swap_remove(index);
            }
            RequestStep::Attempt { until } => {
                let fails = (begins..ends).contains(&now);
                sums.attempts += u64::from(fails);
                let answer = |status| {
                    AttemptEnd::Response(Response {
                        status,
                        headers: Vec::new(),
                        body: BodyEnd::Complete(Vec::new()),
                        trailers: Vec::new(),
                    })
                };
                let (end, takes) = match outage {
                    _ if !fails => (answer(200), 20 * MS),
                    Outage::Refuses => (AttemptEnd::NotSent, MS),
                    Outage::Hangs => (AttemptEnd::Unanswered, until - now),
                    Outage::Half if random.next_u64().is_multiple_of(2) => (answer(200), 50 * MS),
                    Outage::Overloaded | Outage::Half => (answer(503), 50 * MS),
                };
                request.at = until.min(now + takes);
                request.end = Some(end);
            }
        }
    }
    let recovery = recovered.unwrap_or(90 * SECOND).as_millis() as u64;
    sums.recovery += recovery;
    sums.slowest = sums.slowest.max(recovery);
}

fn main() {
    let default = CircuitBreaker::default();
    let breakers = [
        ("none", None),
        ("5 failures, 5 s", Some(default.with_open_time(5 * SECOND))),
        ("5 failures, 1 s", Some(default)),
        ("5 failures, 30 s", Some(default.with_open_time(30 * SECOND))),
        ("20 failures, 5 s", Some(default.with_failures(20))),
    ];
    println!(
        "| outage | breaker | attempts | ambiguous | lost | window full | recovery | at most |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for outage in [Outage::Refuses, Outage::Hangs, Outage::Overloaded, Outage::Half] {
        for seconds in [5, 30, 300] {
            for (name, breaker) in breakers {
                let mut sums = Sums::default();
                let lasts = Duration::from_secs(seconds);
                (0..RUNS).for_each(|seed| run(outage, lasts, breaker, seed, &mut sums));
                let mean = |sum: u64| sum as f64 / RUNS as f64;
                println!(
                    "| {outage:?} {seconds} s | {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} s | {:.1} s |",
                    mean(sums.attempts),
                    mean(sums.ambiguous),
                    mean(sums.lost),
                    mean(sums.refused),
                    mean(sums.recovery) / 1e3,
                    sums.slowest as f64 / 1e3,
                );
            }
        }
    }
}
