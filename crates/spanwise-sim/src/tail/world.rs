//! The operations of a world, and the rules that hold after each of them.

use super::made_span::MadeSpan;
use super::model::{Model, Way};
use super::recorder::{OutputPanic, Recorder, spans_of, split_threshold};
use super::scenario::Scenario;
use super::traffic::Traffic;
use crate::random::Random;
use crate::report::Report;
use crate::trace::Trace;
use crate::violation::{Checked, Violation, require};
use crate::world::Counts;
use spanwise_tail::{Appended, ShardedTailSampler};
use spanwise_wire::read::SpanView;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

struct World {
    random: Random,
    model: Model,
    sampler: ShardedTailSampler,
    output: Recorder,
    traffic: Traffic,
    start: Instant,
    /// The time that the sampler is passed, which may go back.
    clock: Duration,
    /// A request of which spans were refused, and the first of them.
    refused: Option<(Vec<MadeSpan>, u64)>,
    /// Whether the output did not panic in the last call.
    is_complete: bool,
    trace: Trace,
    counts: Counts,
}

/// Runs the world of a seed.
pub(crate) fn run(seed: u64, is_traced: bool) -> Report {
    let scenario = Scenario::draw(&mut Random::new(seed, "tail scenario"));
    let start = Instant::now() + Duration::from_secs(1);
    let mut trace = Trace::new(start, is_traced);
    trace.line(start, format_args!("{scenario:?}"));
    let failed = |rule, details| Report {
        seed,
        violation: Some(Violation { rule, details }),
        counts: Counts::default(),
        trace: Vec::new(),
    };
    let sampler = match ShardedTailSampler::new(&scenario.config(), start) {
        Ok(sampler) => sampler,
        Err(error) => return failed("the settings are valid", error.to_string()),
    };
    let mut world = World {
        random: Random::new(seed, "tail world"),
        model: Model::new(&scenario),
        sampler,
        output: Recorder::new(seed, scenario.panics),
        traffic: Traffic::new(seed, &scenario),
        start,
        clock: Duration::ZERO,
        refused: None,
        is_complete: true,
        trace,
        counts: Counts::default(),
    };
    let violation = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(checked) => checked.err(),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
            Some(Violation { rule: "nothing panics", details: text.unwrap_or_default() })
        }
    };
    let counts = Counts { spans: world.traffic.spans, time: world.model.now, ..world.counts };
    Report { seed, violation, counts, trace: world.trace.into_lines() }
}

impl World {
    fn run(&mut self) -> Checked {
        for _ in 0..self.model.scenario.operations {
            match self.random.below(20) {
                0..10 => self.append_new()?,
                10..13 => {
                    self.clock += self.random.millis(0, self.model.scenario.pause_millis);
                    self.tick()?;
                }
                13 | 14 => self.tick_when_due()?,
                15 => {
                    // A clock that steps back, or far ahead.
                    self.clock = match self.random.one_in(4) {
                        true => self.clock + Duration::from_secs(self.random.scaled(1, 200_000)),
                        false => self
                            .clock
                            .saturating_sub(Duration::from_secs(self.random.scaled(1, 5_000))),
                    };
                    self.tick()?;
                    self.clock = self.clock.max(self.model.now);
                }
                16 => self.set_policies()?,
                17 => self.append_broken()?,
                18 if self.random.one_in(4) => self.shutdown()?,
                _ => self.clock += self.random.millis(0, self.model.scenario.pause_millis),
            }
        }
        self.output.calm();
        self.shutdown()?;
        let pending = self.sampler.counts().pending_spans;
        require(pending == 0, "after a shutdown, no span is pending", || pending.to_string())
    }

    /// Calls the sampler; `None` if the output panicked.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut ShardedTailSampler, Instant, &mut Recorder) -> T,
    ) -> Option<T> {
        self.counts.attempts += 1;
        self.model.now = self.model.now.max(self.clock);
        if !self.is_complete {
            // A panic of the output ended the last call before some shards saw its time.
            self.clock = self.model.now;
        }
        let now = self.start + self.clock;
        let (sampler, output) = (&mut self.sampler, &mut self.output);
        let result = catch_unwind(AssertUnwindSafe(|| call(sampler, now, output)));
        self.is_complete = result.is_ok();
        match result {
            Ok(result) => Some(result),
            Err(payload) if payload.is::<OutputPanic>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    fn append_new(&mut self) -> Checked {
        let (spans, first) = match self.refused.take() {
            Some(refused) if self.random.one_in(2) => refused,
            refused => {
                self.refused = refused;
                (self.traffic.draw(&self.model.scenario), 0)
            }
        };
        self.append(spans, first)
    }

    fn append(&mut self, spans: Vec<MadeSpan>, first: u64) -> Checked {
        let request = self.traffic.request(&spans);
        let before = self.sampler.counts().received_spans;
        let result =
            self.call(|sampler, now, output| sampler.append_from(now, &request, first, output));
        let taken = self.sampler.counts().received_spans - before;
        self.line(format_args!(
            "append {} spans from {first}: {result:?}, {taken} taken",
            spans.len()
        ));
        let mut decisions = std::mem::take(&mut self.output.decisions);
        let is_complete = result.is_some();
        self.model.replay_due(&mut decisions, is_complete)?;
        let mut before: Option<&MadeSpan> = None;
        // The traces that a panic left to be evaluated are evaluated with the first resource, whether its spans are taken or not.
        let skipped = spans.get(..=first as usize).unwrap_or(&spans);
        if skipped.windows(2).any(|it| !self.traffic.share_resource(&it[0], &it[1])) {
            self.model.replay_resource_end(&mut decisions)?;
        }
        // The traces that a panic left to be evaluated are evaluated with the first resource, whether its spans are taken or not.
        let skipped = spans.get(..=first as usize).unwrap_or(&spans);
        if skipped.windows(2).any(|it| !self.traffic.share_resource(&it[0], &it[1])) {
            self.model.replay_resource_end(&mut decisions)?;
        }
        if std::env::var("DBG").is_ok() {
            for d in &decisions {
                eprintln!("   {} {:02x?} {} {:?}", d.spans, d.trace, d.decision, d.cause);
            }
            for s in spans.iter().skip(first as usize) {
                eprintln!("     span {:02x?} {:?} {} {}", s.trace, s.shape, s.bytes.len(), s.group);
            }
            eprintln!("{before:?} {result:?} pending {:?}", self.sampler.counts().pending_traces);
        }
        for span in spans.iter().skip(first as usize).take(taken as usize) {
            if before.is_some_and(|before| !self.traffic.share_resource(before, span)) {
                self.model.replay_resource_end(&mut decisions)?;
            }
            before = Some(span);
            let left = (self.traffic.group_key(span.group).to_vec(), span.bytes.clone());
            self.model.replay_span(span, left, &mut decisions)?;
        }
        // At the end of the request, `span-ingest` may decide the traces that were in the way.
        let is_full = spans.get((first + taken) as usize).is_some_and(|next| {
            self.model.way(next.trace) == Way::New && self.model.is_full(next.trace)
        });
        match is_complete {
            true => self.model.replay_resource_end(&mut decisions)?,
            false => self.model.replay_panic(&mut decisions)?,
        }
        self.model.replay_all(&mut decisions)?;
        match result {
            Some(Ok(Appended { spans: seen, is_blocked, .. })) => {
                let all = spans.len() as u64;
                let is_exact = seen == first + taken && is_blocked == (seen < all);
                require(is_exact, "a request is taken, or refused from a span on", || {
                    format!("{seen} of {all}, {taken} taken from {first}, blocked: {is_blocked}")
                })?;
                if is_blocked {
                    let scenario = &self.model.scenario;
                    let may_refuse = scenario.blocks && (is_full || scenario.is_tight);
                    require(may_refuse, "a span is refused at a limit alone", String::new)?;
                    self.refused = Some((spans, seen));
                }
            }
            Some(Err(error)) => {
                return Err(Violation {
                    rule: "a valid request is taken",
                    details: error.to_string(),
                });
            }
            // As a caller that knows the counts goes on.
            None if first + taken < spans.len() as u64 => {
                self.refused = Some((spans, first + taken))
            }
            None => {}
        }
        self.check(is_complete)
    }

    /// A request that ends within a span.
    fn append_broken(&mut self) -> Checked {
        let spans = self.traffic.draw(&self.model.scenario);
        let mut request = self.traffic.request(&spans);
        if request.is_empty() {
            return Ok(());
        }
        request.pop();
        let before = self.sampler.counts();
        let result =
            self.call(|sampler, now, output| sampler.append(now, &request, output).is_err());
        let after = self.sampler.counts();
        require(
            result == Some(true) && before == after,
            "a broken request changes nothing",
            || format!("{result:?}: {before:?} {after:?}"),
        )?;
        // Its time did not pass for the sampler.
        self.clock = self.clock.max(self.model.now);
        self.tick()
    }

    fn tick(&mut self) -> Checked {
        let result = self.call(|sampler, now, output| sampler.tick(now, output));
        self.line(format_args!("tick: {result:?}"));
        let mut decisions = std::mem::take(&mut self.output.decisions);
        self.model.replay_due(&mut decisions, result.is_some())?;
        require(decisions.is_empty(), "a tick makes no early decision", || {
            format!("{decisions:?}")
        })?;
        self.check(result.is_some())
    }

    /// No trace is due before `next_tick`, and one is then.
    fn tick_when_due(&mut self) -> Checked {
        let Some(at) = self.sampler.next_tick() else { return Ok(()) };
        let at = at.saturating_duration_since(self.start);
        let pending = self.model.counts.pending_traces;
        if self.model.now + Duration::from_nanos(1) < at {
            self.clock = at - Duration::from_nanos(1);
            self.tick()?;
            let found = self.model.counts.pending_traces;
            require(found == pending, "no trace is decided before next_tick", || {
                format!("{found} of {pending}")
            })?;
        }
        self.clock = self.model.now.max(at);
        self.tick()?;
        let found = self.model.counts.pending_traces;
        require(found < pending || !self.is_complete, "a trace is decided at next_tick", || {
            format!("{found} of {pending}")
        })
    }

    fn set_policies(&mut self) -> Checked {
        // Decisions that a panic left undone are those of the present rules.
        while self.model.decider.has_rules() && !self.is_complete {
            self.tick()?;
        }
        let is_valid = !self.random.one_in(5);
        let decider = self.model.decider.draw_others(&mut self.random, is_valid);
        let result = decider.replace(&mut self.sampler);
        self.line(format_args!("{decider:?}: {result:?}"));
        require(result.is_ok() == is_valid, "valid policies and rules are accepted", || {
            format!("{result:?}")
        })?;
        if is_valid {
            self.model.decider = decider;
        }
        self.check(self.is_complete)
    }

    fn shutdown(&mut self) -> Checked {
        loop {
            let result = self.call(|sampler, now, output| sampler.shutdown(now, output));
            self.line(format_args!("shutdown: {result:?}"));
            let mut decisions = std::mem::take(&mut self.output.decisions);
            self.model.replay_all(&mut decisions)?;
            self.check(result.is_some())?;
            if result.is_some() {
                let next = self.sampler.next_tick();
                return require(next.is_none(), "after a shutdown, no tick is due", || {
                    format!("{next:?}")
                });
            }
        }
    }

    /// The rules after each call; `is_complete` unless the output panicked.
    fn check(&mut self, is_complete: bool) -> Checked {
        self.counts.checks += 1;
        for (request, spans) in std::mem::take(&mut self.output.requests) {
            self.counts.requests += 1;
            let left = spans_of(&request);
            let left = left.map_err(|details| Violation { rule: "requests are valid", details })?;
            require(left.len() as u64 == spans, "a request has the spans that it reports", || {
                format!("{} instead of {spans}", left.len())
            })?;
            let is_small = request.len() <= self.model.scenario.max_request_bytes || spans == 1;
            require(is_small, "a request is within max_request_bytes", || {
                request.len().to_string()
            })?;
            for (group, bytes) in left {
                let span = (group, self.without_threshold(bytes)?);
                let expected = self.model.leaving.get_mut(&span).filter(|count| **count > 0);
                let Some(count) = expected else {
                    let details = format!("{span:02x?}");
                    return Err(Violation {
                        rule: "a span leaves once, as it came, if it is sampled",
                        details,
                    });
                };
                *count -= 1;
                if *count == 0 {
                    self.model.leaving.remove(&span);
                }
                self.model.leaving_spans -= 1;
            }
        }
        let counts = self.sampler.counts();
        require(counts.is_balanced(), "the account is balanced", || format!("{counts:?}"))?;
        let memory = self.sampler.memory_bytes();
        require(memory <= self.model.scenario.budget, "memory stays within its budget", || {
            format!("{memory} of {}", self.model.scenario.budget)
        })?;
        if !is_complete {
            return Ok(());
        }
        let waiting = self.model.leaving_spans;
        require(waiting == 0, "sampled spans leave with the call", || {
            format!("{waiting} spans wait")
        })?;
        let mut expected = self.model.counts;
        expected.requests = self.counts.requests;
        if self.model.decider.has_rules() {
            expected.policy_evaluation_errors = counts.policy_evaluation_errors;
        }
        if !self.model.scenario.knows_stress() {
            expected.stress_activations = counts.stress_activations;
        }
        require(counts == expected, "the account is that of the model", || {
            format!("{counts:?} instead of {expected:?}")
        })?;
        self.check_next_tick()
    }

    /// The span as it came, whose threshold has to sample its trace.
    fn without_threshold(&self, span: Vec<u8>) -> Checked<Vec<u8>> {
        if !self.model.scenario.writes_thresholds() {
            return Ok(span);
        }
        let split = split_threshold(&span);
        let (span, threshold) =
            split.map_err(|details| Violation { rule: "a threshold is valid", details })?;
        let id = SpanView::parse(&span).ok().and_then(|span| span.trace_id()).unwrap_or_default();
        let randomness = id.iter().skip(9).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let is_honest = threshold.is_none_or(|threshold| threshold <= randomness);
        require(is_honest, "a threshold samples the trace of its span", || {
            format!("{threshold:x?} above {randomness:x}")
        })?;
        Ok(span)
    }

    fn check_next_tick(&mut self) -> Checked {
        let pending = self.model.shards.iter().flat_map(|shard| shard.pending.values());
        let due = pending.map(|trace| trace.due).min();
        let next = self.sampler.next_tick().map(|at| at.saturating_duration_since(self.start));
        let tick = self.model.scenario.tick();
        let is_honest = match (due, next) {
            (Some(due), Some(next)) => due <= next && next < due + tick,
            (None, None) => true,
            _ => false,
        };
        require(is_honest, "next_tick is the first due time", || format!("{next:?}, due {due:?}"))
    }

    fn line(&mut self, event: std::fmt::Arguments<'_>) {
        self.trace.line(self.start + self.model.now, event);
    }
}
