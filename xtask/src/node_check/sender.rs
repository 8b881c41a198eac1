//! The process that sends the load, and measures how long the answers take.

use super::load::{SPANS, TRACES, Template};
use spanwise::transport::{Compression, Endpoint, Protocol, Transport};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The work of the process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    pub(super) endpoint: String,
    pub(super) is_grpc: bool,
    /// The number of the first trace.
    pub(super) first: u64,
    pub(super) duration: Duration,
    /// Requests at once.
    pub(super) concurrency: usize,
    /// Spans a second; as many as are accepted without.
    pub(super) rate: Option<u64>,
    /// The most requests.
    pub(super) requests: Option<u64>,
}

/// The numbers that it found.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sent {
    /// Traces whose request was sent, from the first number on.
    pub(super) traces: u64,
    pub(super) accepted_spans: u64,
    /// Spans of requests that failed in the end, and spans of requests of which the receiver may have accepted an attempt before.
    pub(super) failed_spans: u64,
    pub(super) uncertain_spans: u64,
    /// Attempts that were answered with a retryable failure.
    pub(super) retries: u64,
    pub(super) seconds: f64,
    /// Times of requests, all attempts included, in milliseconds.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Load {
    fn arguments(&self) -> Vec<String> {
        let (rate, requests) = (self.rate.unwrap_or(0), self.requests.unwrap_or(0));
        let Self { endpoint, is_grpc, first, duration, concurrency, .. } = self;
        let millis = duration.as_millis();
        [NAME, endpoint]
            .map(str::to_owned)
            .into_iter()
            .chain(
                [u64::from(*is_grpc), *first, millis as u64, *concurrency as u64, rate, requests]
                    .map(|it| it.to_string()),
            )
            .collect()
    }

    fn parse(arguments: &[String]) -> Option<Self> {
        let [endpoint, numbers @ ..] = arguments else { return None };
        let numbers: Vec<u64> = numbers.iter().map(|it| it.parse().ok()).collect::<Option<_>>()?;
        let [is_grpc, first, millis, concurrency, rate, requests] = *numbers.as_slice() else {
            return None;
        };
        Some(Self {
            endpoint: endpoint.clone(),
            is_grpc: is_grpc == 1,
            first,
            duration: Duration::from_millis(millis),
            concurrency: concurrency as usize,
            rate: (rate > 0).then_some(rate),
            requests: (requests > 0).then_some(requests),
        })
    }

    /// Runs the process that sends, to its end.
    ///
    /// # Errors
    /// It does not start, or fails.
    pub(super) fn run(&self) -> Result<Sent, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        command.arg(super::options::NAME).args(self.arguments());
        let output = command.output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        Sent::parse(text.trim())
            .ok_or_else(|| format!("the sender: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Sends this number of requests, and returns once all are accepted.
    ///
    /// # Errors
    /// One was not.
    pub(super) fn send_all(endpoint: String, first: u64, requests: u64) -> Result<u64, String> {
        let load = Self {
            endpoint,
            is_grpc: true,
            first,
            duration: Duration::from_secs(60),
            concurrency: 4,
            rate: None,
            requests: Some(requests),
        };
        let sent = load.run()?;
        let is_exact = sent.accepted_spans == requests * SPANS && sent.uncertain_spans == 0;
        if is_exact { Ok(sent.accepted_spans) } else { Err(format!("{sent:?} of {load:?}")) }
    }
}

/// The process: sends, and prints what it found.
pub(super) fn run(arguments: &[String]) -> Result<(), String> {
    let load =
        Load::parse(arguments).ok_or("the load's process is started by this command alone")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let sent = runtime.map_err(|error| error.to_string())?.block_on(send(&load))?;
    println!("{}", sent.line());
    Ok(())
}

async fn send(load: &Load) -> Result<Sent, String> {
    let protocol = if load.is_grpc { Protocol::Grpc } else { Protocol::HttpProtobuf };
    let endpoint: Endpoint = load.endpoint.parse().map_err(|error| format!("{error}"))?;
    let transport = Transport::builder()
        .with_protocol(protocol)
        .with_endpoint(endpoint)
        .with_compression(Compression::None)
        .with_circuit_breaker(None)
        .with_request_timeout(Duration::from_secs(60))
        .build()
        .map_err(|error| error.to_string())?;
    let template = Arc::new(Template::new());
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..load.concurrency)
        .map(|_| {
            let (transport, template, next, load) =
                (transport.clone(), template.clone(), next.clone(), load.clone());
            tokio::spawn(async move { sender(&load, &transport, &template, &next, started).await })
        })
        .collect();
    let (mut sent, mut times) = (Sent::default(), Vec::new());
    for task in tasks {
        let (of_task, of_times) = task.await.map_err(|error| error.to_string())?;
        sent.add(&of_task);
        times.extend(of_times);
    }
    sent.traces = next.load(Relaxed).min(load.requests.unwrap_or(u64::MAX)) * TRACES;
    sent.seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let percentile = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time: &Duration| time.as_secs_f64() * 1e3)
    };
    (sent.p50_ms, sent.p99_ms) = (percentile(0.5), percentile(0.99));
    Ok(sent)
}

async fn sender(
    load: &Load,
    transport: &Transport,
    template: &Template,
    next: &AtomicU64,
    started: Instant,
) -> (Sent, Vec<Duration>) {
    let (mut sent, mut times) = (Sent::default(), Vec::new());
    while started.elapsed() < load.duration {
        // ORDER: Relaxed: each number is taken once; nothing else is published.
        let number = next.fetch_add(1, Relaxed);
        if load.requests.is_some_and(|requests| number >= requests) {
            break;
        }
        if let Some(rate) = load.rate {
            let due = Duration::from_secs_f64((number * SPANS) as f64 / rate as f64);
            tokio::time::sleep_until((started + due).into()).await;
        }
        let request = template.request(load.first + number * TRACES);
        let begun = Instant::now();
        let delivery = transport.send(request).await;
        times.push(begun.elapsed());
        sent.retries += u64::from(delivery.attempts.saturating_sub(1));
        match delivery.is_accepted() {
            true => sent.accepted_spans += SPANS,
            false => sent.failed_spans += SPANS,
        }
        if delivery.may_have_been_accepted() {
            sent.uncertain_spans += SPANS;
        }
    }
    (sent, times)
}

impl Sent {
    /// Adds the spans of another sender.
    pub(super) fn add(&mut self, other: &Self) {
        self.accepted_spans += other.accepted_spans;
        self.failed_spans += other.failed_spans;
        self.uncertain_spans += other.uncertain_spans;
        self.retries += other.retries;
    }

    fn line(&self) -> String {
        let Self { traces, accepted_spans, failed_spans, uncertain_spans, retries, .. } = self;
        let Self { seconds, p50_ms, p99_ms, .. } = self;
        format!(
            "{traces} {accepted_spans} {failed_spans} {uncertain_spans} {retries} {seconds} {p50_ms} {p99_ms}"
        )
    }

    /// The line that the process printed.
    fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<f64> =
            line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let [traces, accepted, failed, uncertain, retries, seconds, p50_ms, p99_ms] =
            *numbers.as_slice()
        else {
            return None;
        };
        let [traces, accepted_spans, failed_spans, uncertain_spans, retries] =
            [traces, accepted, failed, uncertain, retries].map(|number| number as u64);
        Some(Self {
            traces,
            accepted_spans,
            failed_spans,
            uncertain_spans,
            retries,
            seconds,
            p50_ms,
            p99_ms,
        })
    }
}

/// The first argument of the process.
pub(super) const NAME: &str = "the-sender";
