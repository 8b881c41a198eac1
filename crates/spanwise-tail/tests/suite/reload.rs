//! Settings that are replaced while traces wait.

use crate::support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use spanwise_tail::{
    AdaptiveThroughput, Compat, CompositePolicy, LatencyPolicy, Policy, PolicyKind,
    RateLimitingPolicy, Rule, RuleSampler, SamplingStrategy, ShardedTailSampler, StressRelief,
    TailSamplingConfig, TailSamplingError,
};
use support::*;

fn always() -> Policy {
    policy(PolicyKind::AlwaysSample)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The time from `start` until the decision about each trace that waits, in the order of decisions.
fn decision_times(world: &mut World, start: Instant) -> Vec<(u128, Duration)> {
    let mut times = Vec::new();
    while let Some(next) = world.sampler.next_tick() {
        let before = world.output.decisions.len();
        world.pass(next.saturating_duration_since(world.now));
        let decided = world.output.decisions.iter().skip(before);
        times.extend(decided.map(|decision| (decision.0, world.now - start)));
    }
    times
}

#[test]
fn a_trace_that_waits_is_due_as_if_it_had_arrived_under_the_new_wait() {
    // In milliseconds.
    for (wait, after_root, due) in [
        (2, 0, [(1, 3_000), (2, 3_000), (3, 5_500)]),
        (4, 0, [(1, 4_000), (2, 4_000), (3, 7_500)]),
        (10, 0, [(1, 10_000), (2, 10_000), (3, 13_500)]),
        // Ticks of another length.
        (3_600, 0, [(1, 3_600_000), (2, 3_600_000), (3, 3_603_500)]),
        (10, 1, [(3, 4_500), (1, 10_000), (2, 10_000)]),
    ] {
        let mut world = World::new(&config(vec![always()]));
        let start = world.now;
        world.append(&request(vec![span(1, 2), span(2, 1)]));
        world.pass(seconds(3));
        let changed = config(vec![always()])
            .with_decision_wait(seconds(wait))
            .with_decision_wait_after_root_received(seconds(after_root));
        world.sampler.set_config(&changed).unwrap();
        let mut times = Vec::new();
        if wait == 2 {
            world.pass(Duration::ZERO);
            times.extend(world.output.decisions.iter().map(|decision| (decision.0, seconds(3))));
        }
        world.now = start + Duration::from_millis(3_500);
        world.append(&request(vec![span(3, 1)]));
        times.extend(decision_times(&mut world, start));
        let late = Duration::from_millis(100).max(seconds(wait) / 8_000);
        for ((trace, time), (expected, due)) in times.iter().zip(due) {
            assert_eq!(*trace, expected, "{wait}: {times:?}");
            let due = Duration::from_millis(due);
            assert!((due..=due + late).contains(time), "{wait}: {times:?}");
        }
        assert_eq!(times.len(), 3);
    }
}

#[test]
fn a_root_that_has_arrived_keeps_its_deadline_unless_the_wait_is_shorter() {
    let wait = |wait: u64, after_root: u64| {
        config(vec![always()])
            .with_decision_wait(seconds(wait))
            .with_decision_wait_after_root_received(seconds(after_root))
    };
    for (changed, due) in [
        (wait(30, 8), [(1, 5), (2, 30)]),
        (wait(30, 0), [(1, 5), (2, 30)]),
        (wait(3, 0), [(2, 3), (1, 4)]),
    ] {
        let mut world = World::new(&wait(10, 5));
        let start = world.now;
        world.append(&request(vec![span(1, 1), span(2, 2)]));
        world.pass(seconds(1));
        world.sampler.set_config(&changed).unwrap();
        for ((trace, time), (expected, due)) in decision_times(&mut world, start).iter().zip(due) {
            assert_eq!(*trace, expected);
            let late = Duration::from_millis(100);
            assert!((seconds(due)..=seconds(due) + late).contains(time), "{trace}: {time:?}");
        }
    }
}

#[test]
fn a_span_finds_its_trace_after_the_table_became_smaller() {
    let mut world = World::new(&config(vec![always()]));
    world.append(&request((0..51).map(|trace| span(trace, 1)).collect()));
    let fewer = config(vec![always()])
        .with_num_traces(50)
        .with_block_on_overflow(true)
        .with_max_spans_per_trace(3);
    world.sampler.set_config(&fewer).unwrap();
    // The first call decides a trace, and the second one moves the others to a smaller table.
    world.append(&request(vec![span(0, 2), span(0, 3), span(40, 2)]));
    world.append(&request(vec![span(40, 3)]));
    let counts = world.sampler.counts();
    assert_eq!((counts.sampled_traces, counts.sampled_spans), (2, 6));
    assert_eq!((counts.pending_traces, counts.pending_spans), (49, 49));
    assert!(counts.is_balanced());
}

#[test]
fn traces_beyond_lower_limits_are_decided_by_the_next_call() {
    let traces =
        |traces: std::ops::Range<u128>| request(traces.map(|trace| span(trace, 1)).collect());
    let mut world = World::new(&config(vec![always()]));
    world.append(&traces(0..300));
    world.sampler.set_config(&config(vec![always()]).with_num_traces(100)).unwrap();
    assert_eq!(world.sampler.counts().pending_traces, 300);
    world.pass(Duration::ZERO);
    let counts = world.sampler.counts();
    assert_eq!((counts.pending_traces, counts.evicted_traces), (100, 200));
    assert_eq!(world.output.traces(), (0..200).collect::<Vec<_>>());
    world.append(&traces(300..301));
    assert_eq!(world.sampler.counts().pending_traces, 100);
    // The table grows again, and every trace has its spans.
    world.sampler.set_config(&config(vec![always()]).with_num_traces(400)).unwrap();
    world.append(&request((150..500).map(|trace| span(trace, 2)).collect()));
    assert_eq!(world.sampler.counts().pending_traces, 299);
    world.pass(DECIDED);
    assert_eq!(world.output.spans().len(), 301 + 350);

    let mut blocking = World::new(&config(vec![always()]));
    blocking.append(&traces(0..300));
    let limited = config(vec![always()]).with_num_traces(100).with_block_on_overflow(true);
    blocking.sampler.set_config(&limited).unwrap();
    let (now, output) = (blocking.now, &mut blocking.output);
    assert!(blocking.sampler.append(now, &traces(300..301), output).unwrap().is_blocked);
    blocking.pass(DECIDED);
    assert_eq!(blocking.sampler.counts().evicted_traces, 0);
    assert_eq!(blocking.output.traces().len(), 300);
}

#[test]
fn a_lower_bound_of_memory_holds_after_the_next_call() {
    let large = |trace: u128| with(span(trace, 1), "k", "v".repeat(1_000).as_str());
    let set = |bytes: usize, num_traces| {
        let set = config(vec![always()]).with_max_request_bytes(10_000);
        set.with_max_memory_bytes(bytes).with_num_traces(num_traces)
    };
    let mut world = World::new(&set(64 << 20, 20_000));
    for from in (0..10_000).step_by(100) {
        world.append(&request((from..from + 100).map(large).collect()));
    }
    assert!(world.sampler.memory_bytes() > 10 << 20);
    world.sampler.set_config(&set(2 << 20, 1_000)).unwrap();
    world.pass(Duration::ZERO);
    assert!(world.sampler.memory_bytes() <= 2 << 20, "{}", world.sampler.memory_bytes());
    assert!(world.sampler.counts().pending_traces > 100);
    assert!(world.sampler.set_config(&set(1 << 10, 1_000)).is_err());
    world.append(&request((20_000..20_500).map(large).collect()));
    assert!(world.sampler.memory_bytes() <= 2 << 20);
    world.shutdown();
    assert_eq!(world.output.traces().len(), 10_500);
}

#[test]
fn limits_that_are_the_same_go_on() {
    let limit =
        |spans| Policy::new("limit", RateLimitingPolicy::new(spans).with_burst_capacity(10));
    let inside = |threshold| {
        let slow = Policy::new("slow", LatencyPolicy::above(threshold));
        policy(PolicyKind::And(vec![slow, limit(1)]))
    };
    let composite = |threshold| {
        let slow = Policy::new("slow", LatencyPolicy::above(threshold));
        Policy::new("shares", CompositePolicy::new(20, vec![slow, always()]))
    };
    let budget = |rate| {
        let limit = RateLimitingPolicy::new(rate).with_burst_capacity(10);
        let set = config(vec![])
            .with_rule(Rule::new("errors", RuleSampler::AlwaysSample).with_condition(ERROR));
        set.with_rule(Rule::new("limit", limit))
    };
    let old = |set: TailSamplingConfig| set.with_compat("v0.150".parse::<Compat>().unwrap());
    let by = |policy| config(vec![policy]);
    let goes_on = &[1, 3][..];
    let starts_anew = &[1, 2, 3][..];
    for (before, after, expected) in [
        (by(limit(1)), by(limit(1)).with_sample_on_first_match(true), goes_on),
        (by(limit(1)), by(limit(2)), starts_anew),
        (by(inside(0)), by(inside(-1)), goes_on),
        (by(composite(1_000)), by(composite(2_000)), goes_on),
        (old(by(limit(11))), old(by(limit(11))), goes_on),
        (budget(1), budget(1).with_dry_run(false), goes_on),
        (budget(1), budget(2), starts_anew),
    ] {
        let zero = |set: TailSamplingConfig| set.with_decision_wait(Duration::ZERO);
        let mut world = World::new(&zero(before.clone()));
        // Of the ten spans of the limit, six are used up before.
        for (trace, len) in [(1, 6), (2, 6), (3, 4)] {
            world.append(&request((1..=len).map(|id| span(trace, id)).collect()));
            world.pass(Duration::from_millis(50));
            world.sampler.set_config(&zero(after.clone())).unwrap();
        }
        assert_eq!(world.output.traces(), expected, "{before:?} {after:?}");
    }
}

#[test]
fn thresholds_of_an_unchanged_rule_go_on() {
    let set = |goal, name: &str| {
        let rule = Rule::new("all", AdaptiveThroughput::new(goal));
        let first = Rule::new(name, RuleSampler::Drop).with_condition("name == \"none\"");
        config(vec![]).with_rule(first).with_rule(rule).with_decision_wait(Duration::ZERO)
    };
    let mut world = World::new(&set(100, "a"));
    let mut seed = 1;
    for _ in 0..60 {
        let spans = (0..100).map(|_| span(random_trace(&mut seed), 1)).collect();
        world.append(&request(spans));
        world.pass(Duration::from_millis(50));
    }
    let offered = |world: &World| world.sampler.throughput_states()[0].offered;
    assert!(offered(&world) > 1_500.0);
    world.sampler.set_config(&set(100, "b")).unwrap();
    assert!(offered(&world) > 1_500.0);
    world.sampler.set_config(&set(200, "b")).unwrap();
    assert_eq!(offered(&world), 0.0);
}

#[test]
fn late_spans_follow_decisions_that_were_made_before() {
    let half = config(vec![]).with_rule(Rule::new("half", percentage(50.0)));
    let high = 7 << 100 | 0xff_ffff_ffff_ffff;
    let dry = half.clone().with_dry_run(true);
    for (decided, th) in [(half.clone(), "ot=th:8"), (config(vec![always()]), ""), (dry, "")] {
        let mut world = World::new(&decided);
        world.append(&request(vec![span(high, 1)]));
        world.pass(DECIDED);
        let never = config(vec![Policy::new("never", percentage(0.0))]);
        for set in [
            never.clone(),
            half.clone(),
            never.clone().with_decision_cache(10, 20),
            never.with_num_traces(50),
        ] {
            world.sampler.set_config(&set).unwrap();
            world.append(&request(vec![span(high, 2)]));
            assert_eq!(world.output.spans().pop().unwrap().trace_state, th);
        }
        assert_eq!(world.output.spans().len(), 5);
        assert_eq!(world.sampler.counts().late_sampled_spans, 4);
    }
}

#[test]
fn settings_that_cannot_change_are_errors_and_change_nothing() {
    let set = config(vec![always()]).with_num_shards(2);
    let mut sampler = ShardedTailSampler::new(&set, Instant::now()).unwrap();
    let mut name = |set: TailSamplingConfig| match sampler.set_config(&set) {
        Err(TailSamplingError::Setting { name, message }) => format!("{name}: {message}"),
        other => format!("{other:?}"),
    };
    assert_eq!(
        name(set.clone().with_num_shards(3)),
        "num_shards: 3 differs; accepted is 2 until a restart"
    );
    assert_eq!(
        name(set.clone().with_sampling_strategy(SamplingStrategy::SpanIngest)),
        "sampling_strategy: `span-ingest` differs; accepted is `trace-complete` until a restart"
    );
    assert!(name(set.clone().with_num_traces(0)).starts_with("num_traces: 0 is out of range"));
    assert!(name(set.clone().with_policy(always())).contains("duplicate policy name"));
    assert_eq!(name(set.with_num_traces(10)), "Ok(())");
    let mut alone = World::new(&config(vec![always()]));
    alone.sampler.set_config(&config(vec![always()]).with_num_shards(9)).unwrap();
}

#[test]
fn stress_goes_on_and_is_counted() {
    let relief = StressRelief::default().with_levels(50.0, 10.0);
    let set = config(vec![always()]).with_num_traces(10);
    let mut world = World::new(&set.clone().with_stress_relief(relief));
    world.append(&request((1..=8).map(|trace| span(trace, 1)).collect()));
    assert!(world.sampler.is_stressed());
    let other = set.clone().with_stress_relief(relief.with_sampling_percentage(50.0));
    world.sampler.set_config(&other).unwrap();
    assert!(world.sampler.is_stressed());
    world.sampler.set_config(&set).unwrap();
    assert!(!world.sampler.is_stressed());
    assert_eq!(world.sampler.counts().stress_activations, 1);
    world.sampler.set_config(&other).unwrap();
    world.append(&request(vec![span(9, 1)]));
    assert_eq!(world.sampler.counts().stress_activations, 2);
}

/// Any settings of two shards.
fn any_config(seed: &mut u64) -> TailSamplingConfig {
    let mut pick = |options: &[u64]| options[(random(seed) % options.len() as u64) as usize];
    let limit = RateLimitingPolicy::new(pick(&[1, 50, 1_000]) as i64);
    let policies = vec![
        Policy::new("slow", LatencyPolicy::above(pick(&[0, 1, 2]) as i64)),
        Policy::new("some", percentage(pick(&[1, 50, 99]) as f64)),
        Policy::new("limit", limit),
        Policy::new("shares", CompositePolicy::new(100, vec![always()])),
        Policy::new("drop", PolicyKind::Drop(vec![Policy::new("few", percentage(5.0))])),
    ];
    let chosen = pick(&[1, 2, 3, 6, 15, 31]);
    let mut set = config(vec![]);
    if pick(&[0, 1, 2]) == 0 {
        let error = Rule::new("errors", RuleSampler::AlwaysSample).with_condition(ERROR);
        let all: RuleSampler = match pick(&[0, 1, 2]) {
            0 => limit.into(),
            1 => AdaptiveThroughput::new(50).into(),
            _ => percentage(30.0).into(),
        };
        set = set.with_rule(error).with_rule(Rule::new("all", all));
    } else {
        let chosen = policies.into_iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
        set = chosen.map(|(_, policy)| policy).fold(set, TailSamplingConfig::with_policy);
    }
    let is_stressed = pick(&[0, 0, 1]) == 1;
    let mut set = set
        .with_num_shards(2)
        .with_decision_wait(Duration::from_millis(pick(&[0, 200, 1_000, 5_000, 2_000_000])))
        .with_decision_wait_after_root_received(Duration::from_millis(pick(&[0, 0, 100])))
        .with_num_traces(pick(&[4, 50, 400, 3_000]) as usize)
        .with_decision_cache(pick(&[1, 0, 5_000]) as usize, pick(&[1, 0, 5_000]) as usize)
        .with_max_spans_per_trace(pick(&[3, 1_000]) as u32)
        .with_maximum_trace_size_bytes(pick(&[0, 0, 2_000]))
        .with_max_memory_bytes(pick(&[2 << 20, 4 << 20]) as usize)
        .with_max_request_bytes(pick(&[1_024, 20_000]) as usize)
        .with_sample_on_first_match(pick(&[0, 1]) == 1)
        .with_use_trace_state(pick(&[0, 1]) == 1)
        .with_record_policy(pick(&[0, 1]) == 1)
        .with_dry_run(!is_stressed && pick(&[0, 0, 1]) == 1);
    if is_stressed {
        set = set.with_stress_relief(StressRelief::default().with_sampling_percentage(50.0));
    }
    set
}

#[test]
fn random_reloads_under_load_lose_no_span() {
    for start in 0..100 {
        let mut seed = start;
        let mut set = any_config(&mut seed);
        let mut now = Instant::now();
        let mut sampler = ShardedTailSampler::new(&set, now).unwrap();
        let mut output = Collected::default();
        let (mut sent, mut reloads) = (0, 0);
        for _ in 0..120 {
            match random(&mut seed) % 4 {
                0 => {
                    let changed = any_config(&mut seed);
                    if sampler.set_config(&changed).is_ok() {
                        set = changed;
                        reloads += 1;
                    }
                }
                1 => now += Duration::from_millis(random(&mut seed) % 400),
                _ => {
                    let spans = (0..random(&mut seed) % 40).map(|_| {
                        sent += 1;
                        let trace = u128::from(random(&mut seed) % 400 + sent / 200 * 300);
                        let status = i32::from(random(&mut seed).is_multiple_of(20)) * 2;
                        let span = with(
                            span(trace << 64 | trace << 46, sent),
                            "k",
                            "v".repeat(200).as_str(),
                        );
                        with_status(span, status)
                    });
                    let request = request(spans.collect());
                    assert!(!sampler.append(now, &request, &mut output).unwrap().is_blocked);
                }
            }
            assert!(sampler.counts().is_balanced());
            if random(&mut seed).is_multiple_of(2) {
                sampler.tick(now, &mut output);
                let counts = sampler.counts();
                assert!(counts.is_balanced());
                assert!(counts.pending_traces <= set.num_traces as u64, "{start}: {counts:?}");
                assert!(sampler.memory_bytes() <= set.max_memory_bytes, "{start}");
                let next = sampler.next_tick();
                assert!(next.is_none_or(|next| next > now), "{start}");
                let latest = now + set.decision_wait + Duration::from_secs(1);
                assert!(next.is_none_or(|next| next <= latest), "{start}: too late");
            }
        }
        sampler.shutdown(now, &mut output);
        let counts = sampler.counts();
        assert!(counts.is_balanced() && counts.pending_spans == 0, "{start}: {counts:?}");
        assert_eq!(counts.received_spans, sent, "{start}");
        let spans = output.spans();
        assert_eq!(spans.len() as u64, counts.sampled_spans + counts.dry_run_spans, "{start}");
        let distinct: HashSet<&[u8]> = spans.iter().map(|span| &span.span_id[..]).collect();
        assert_eq!(distinct.len(), spans.len(), "{start}");
        let decided = counts.sampled_traces + counts.not_sampled_traces + counts.dropped_traces;
        assert_eq!((decided, output.decisions.len() as u64), (counts.new_traces, decided));
        assert!(reloads > 5, "{start}: {reloads}");
    }
}
