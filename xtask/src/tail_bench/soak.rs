//! `cargo xtask tail-soak`: the tail sampler under twice the load that its memory can hold, for minutes.

use super::batch;
use super::resident::resident;
use super::rows::SAMPLING;
use crate::Command;
use spanwise_config::Document;
use spanwise_tail::{SampledRequest, TailOutput, TailSampler, TailSamplingConfig};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const COMMAND: Command = Command {
    name: "tail-soak",
    summary: "the tail sampler under twice the load that its memory can hold, for minutes",
    help: "\
Sends requests of new traces to a tail sampler of 256 MiB with a wait of two seconds, at twice the rate at which its memory is full before
the wait is over: traces are decided early, after half of it. Fails if the resident memory grows after the first 20 seconds, exceeds the bound of
the sampler, or if the account of the spans does not balance. Linux only.

  --minutes N   10 by default",
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let minutes: u64 = match arguments {
        [] => 10,
        [name, value] if name == "--minutes" => {
            let minutes = value.parse().ok().filter(|minutes| (1..=600).contains(minutes));
            minutes.ok_or("--minutes needs a number from 1 to 600")?
        }
        _ => return Err("knows only --minutes".to_owned()),
    };
    let before = resident()?;
    let start = Instant::now();
    let mut soak = Soak::new(MEMORY, start)?;
    let capacity = soak.fill(start)?;
    println!("{capacity} spans wait when the memory is full; {:.0} spans/s", soak.rate(capacity));
    soak.begin(Instant::now());
    let end = start + Duration::from_secs(minutes * 60);
    let mut used = Vec::new();
    loop {
        let now = Instant::now();
        soak.run_until(now, capacity)?;
        let second = start + Duration::from_secs(used.len() as u64);
        if now >= second {
            used.push(resident()?.saturating_sub(before));
            if used.len() % 30 == 1 {
                soak.print(start, used.last().copied().unwrap_or_default());
            }
        }
        if now >= end {
            break;
        }
        thread::sleep(PAUSE);
    }
    soak.print(start, used.last().copied().unwrap_or_default());
    soak.check()?;
    check_memory(used.get(WARM_UP..).unwrap_or_default())
}

/// # Errors
/// The memory grew, or exceeds the bound.
fn check_memory(used: &[u64]) -> Result<(), String> {
    let most = |used: &[u64]| used.iter().copied().max().unwrap_or_default();
    let (first, second) = used.split_at(used.len() / 2);
    let (first, second) = (most(first), most(second));
    println!("most resident memory: {} KiB at first, {} KiB then", first >> 10, second >> 10);
    if first == 0 {
        return Err("too few seconds for a statement about memory".to_owned());
    }
    if second > first + TOLERANCE {
        return Err(format!("the resident memory grew from {first} to {second} bytes"));
    }
    if second > MEMORY as u64 + OWN_MEMORY {
        return Err(format!("{second} resident bytes exceed the bound of {MEMORY}"));
    }
    Ok(())
}

/// A sampler, and requests whose traces are new each time.
struct Soak {
    sampler: TailSampler,
    output: Sampled,
    requests: Vec<Request>,
    sent_requests: u64,
    /// The time of the first request at the rate of the overload, and the requests before it.
    since: Option<(Instant, u64)>,
    latest: Duration,
}

struct Request {
    bytes: Vec<u8>,
    /// Where trace ids begin.
    ids: Vec<usize>,
}

#[derive(Default)]
struct Sampled {
    spans: u64,
}

impl TailOutput for Sampled {
    fn request(&mut self, request: SampledRequest<'_>) {
        self.spans += request.spans;
    }
}

impl Soak {
    fn new(memory: usize, start: Instant) -> Result<Self, String> {
        let document = Document::parse("soak.yaml", SAMPLING.as_bytes(), |_| None)
            .map_err(|error| error.to_string())?;
        let read = TailSamplingConfig::from_document(&document, None);
        let config = read.map_err(|error| error.to_string())?.value;
        let config = config.with_decision_wait(WAIT).with_max_memory_bytes(memory);
        let sampler = TailSampler::new(&config, start).map_err(|error| error.to_string())?;
        let requests = (0..REQUESTS).map(|number| Request::new(batch::request(number))).collect();
        Ok(Self {
            sampler,
            output: Sampled::default(),
            requests,
            sent_requests: 0,
            since: None,
            latest: Duration::ZERO,
        })
    }

    /// Appends requests until the first trace is decided early; returns the spans that wait then.
    fn fill(&mut self, now: Instant) -> Result<u64, String> {
        while self.sampler.counts().evicted_traces == 0 {
            self.send(now)?;
        }
        Ok(self.sampler.counts().pending_spans)
    }

    /// The overload begins now.
    fn begin(&mut self, now: Instant) {
        self.since = Some((now, self.sent_requests));
    }

    /// Spans per second of the overload.
    fn rate(&self, capacity: u64) -> f64 {
        TIMES * capacity as f64 / WAIT.as_secs_f64()
    }

    /// Sends the requests and decides the traces that are due.
    fn run_until(&mut self, now: Instant, capacity: u64) -> Result<(), String> {
        let (since, first) = self.since.ok_or("the overload has not begun")?;
        let spans = self.rate(capacity) * now.saturating_duration_since(since).as_secs_f64();
        let due = first + (spans / batch::SPANS as f64) as u64;
        let end = due.min(self.sent_requests + MOST_REQUESTS);
        while self.sent_requests < end {
            self.send(now)?;
        }
        if end < due {
            // The machine is too slow for the rate: what is left would delay all that follows.
            self.begin(now);
        }
        if let Some(tick) = self.sampler.next_tick() {
            self.latest = self.latest.max(now.saturating_duration_since(tick));
        }
        self.sampler.tick(now, &mut self.output);
        Ok(())
    }

    fn send(&mut self, now: Instant) -> Result<(), String> {
        let (round, index) = (self.sent_requests / REQUESTS, self.sent_requests % REQUESTS);
        let request = self.requests.get_mut(index as usize).ok_or("no request")?;
        request.begin_round(round);
        let appended = self.sampler.append(now, &request.bytes, &mut self.output);
        appended.map_err(|error| error.to_string()).map(drop)?;
        self.sent_requests += 1;
        Ok(())
    }

    /// # Errors
    /// The account is wrong.
    fn check(&self) -> Result<(), String> {
        let counts = self.sampler.counts();
        let is_right = counts.is_balanced()
            && counts.received_spans == self.sent_requests * batch::SPANS as u64
            && counts.new_traces == self.sent_requests * batch::TRACES as u64
            && counts.sampled_spans == self.output.spans
            && counts.sampled_spans > 0
            && counts.dropped_spans.total() == 0;
        if !is_right {
            return Err(format!("the account is wrong: {counts:?}"));
        }
        if counts.evicted_traces < counts.new_traces / 4 {
            return Err(format!("the machine is too busy for an overload: {counts:?}"));
        }
        Ok(())
    }

    fn print(&self, start: Instant, used: u64) {
        let counts = self.sampler.counts();
        println!(
            "{:>4} s: {} MiB, {} M spans, {} k traces, {} k of them early, latest decision {} ms",
            start.elapsed().as_secs(),
            used >> 20,
            counts.received_spans / 1_000_000,
            counts.new_traces / 1_000,
            counts.evicted_traces / 1_000,
            self.latest.as_millis()
        );
    }
}

impl Request {
    fn new(bytes: Vec<u8>) -> Self {
        // A trace id is the first field of a span: its key, its length, and behind it the key of a span id.
        let is_id = |at: &usize| {
            let field = bytes.get(at - 2..at + 18).unwrap_or_default();
            field.starts_with(&[0x0a, 16]) && field.ends_with(&[0x12, 8])
        };
        let ids = (2..bytes.len()).filter(is_id).collect();
        Self { bytes, ids }
    }

    /// Gives each trace an id of its own.
    fn begin_round(&mut self, round: u64) {
        // The rounds before left the difference to the number of this one.
        let change = (round ^ round.wrapping_sub(1)).to_be_bytes();
        if round == 0 {
            return;
        }
        for at in &self.ids {
            // Decisions are remembered by the right half of the id.
            let id = self.bytes.iter_mut().skip(at + 8).take(change.len());
            id.zip(change).for_each(|(byte, change)| *byte ^= change);
        }
    }
}

const MEMORY: usize = 256 << 20;
/// Resident memory of the process beside the sampler: requests, code and stack.
const OWN_MEMORY: u64 = 32 << 20;
/// How much more memory the second half may need: pages that the first one did not touch.
const TOLERANCE: u64 = 1 << 20;
/// Seconds until all memory has been used.
const WARM_UP: usize = 20;
const WAIT: Duration = Duration::from_secs(2);
const TIMES: f64 = 2.0;
const REQUESTS: u64 = 20;
/// Requests between two decisions: a quarter of a second of the overload.
const MOST_REQUESTS: u64 = 100;
const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_new_traces() {
        let mut request = Request::new(batch::request(1));
        assert_eq!(request.ids.len(), batch::SPANS);
        let mut seen = std::collections::HashSet::new();
        for round in 0..5 {
            request.begin_round(round);
            let decoded = crate::peers::decoded(&request.bytes).unwrap();
            let ids = spanwise_testkit::spans(&decoded).map(|span| span.trace_id[8..].to_vec());
            let ids: std::collections::HashSet<Vec<u8>> = ids.collect();
            assert_eq!(ids.len(), batch::TRACES);
            ids.into_iter().for_each(|id| assert!(seen.insert(id)));
        }
    }

    #[test]
    fn twice_the_load_decides_traces_early_and_loses_none() {
        let start = Instant::now();
        let mut soak = Soak::new(40 << 20, start).unwrap();
        let capacity = soak.fill(start).unwrap();
        soak.begin(start);
        for step in 0..400 {
            soak.run_until(start + PAUSE * step, capacity).unwrap();
        }
        soak.check().unwrap();
        let counts = soak.sampler.counts();
        assert_eq!(counts.new_traces, soak.sent_requests * batch::TRACES as u64);
    }

    #[test]
    fn memory_that_grows_is_an_error() {
        let flat = [200 << 20; 40];
        assert!(check_memory(&flat).is_ok());
        assert!(check_memory(&[]).is_err());
        let growing: Vec<u64> = (0..40).map(|second| (200 << 20) + second * (1 << 20)).collect();
        assert!(check_memory(&growing).unwrap_err().contains("grew"));
        assert!(check_memory(&[400 << 20; 40]).unwrap_err().contains("exceed"));
    }
}
