//! The triggers of a request in virtual time: count, bytes, age, flush and shutdown; and settings that change
//! meanwhile. The oracle is the test's own count of spans and of time.

use crate::support;

use spanwise_batch::{BatchPreset, BatchSize};
use spanwise_export::BatchConfig;
use std::thread;
use std::time::Duration;
use support::line::{Line, SMALL, line};

const SECOND: Duration = Duration::from_secs(1);
/// The interval at which the worker looks for full chunks.
const TICK: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_request_leaves_once_a_batch_of_spans_waits() {
    for batch in [1, 10, 100, 200, 512, 1_000, 2_000] {
        let mut line =
            line(|builder| builder.with_max_export_batch_size(batch).with_scheduled_delay(HOUR));
        line.push(batch - 1, SMALL);
        assert_eq!(line.wait(30 * SECOND), [], "{batch}");
        line.push(1, SMALL);
        let sent = line.wait(TICK);
        assert_eq!(sent.iter().map(|request| request.spans).collect::<Vec<_>>(), [batch as u64]);
        // The next span fills no chunk, and wakes no worker.
        line.push(1, SMALL);
        assert_eq!(line.wait(30 * SECOND).len(), usize::from(batch == 1), "{batch}");
    }
}

/// The producer's notification, and not the tick, makes the request leave.
#[test]
fn a_notified_exporter_sends_a_full_batch_at_once() {
    let mut line =
        line(|builder| builder.with_max_export_batch_size(100).with_scheduled_delay(HOUR));
    line.push(100, SMALL);
    assert_eq!(line.notify(), [], "the push after the last one fills the chunk");
    line.push(1, SMALL);
    assert_eq!(line.notify().iter().map(|request| request.spans).collect::<Vec<_>>(), [100]);
}

#[test]
fn a_batch_that_is_spread_over_threads_leaves_within_a_tick() {
    let mut line =
        line(|builder| builder.with_max_export_batch_size(100).with_scheduled_delay(HOUR));
    line.push_on_threads(4, 25);
    let sent = line.wait(TICK);
    assert!(sent.iter().map(|request| request.spans).sum::<u64>() >= 75, "{sent:?}");
    assert!(sent.iter().all(|request| request.spans <= 100), "{sent:?}");
}

/// The rest of a batch waits for others, and leaves at its age.
#[test]
fn a_span_waits_for_the_delay_and_a_tick_at_most() {
    for (batch, pushed) in [(100, 250), (8_192, 250), (512, 3)] {
        let mut line = line(|builder| {
            builder.with_max_export_batch_size(batch).with_scheduled_delay(5 * SECOND)
        });
        line.push(pushed, SMALL);
        let sent = line.wait(5 * SECOND + TICK);
        assert_eq!(sent.iter().map(|request| request.spans).sum::<u64>(), pushed as u64, "{batch}");
        assert!(sent.iter().all(|request| request.spans <= batch as u64), "{batch} {sent:?}");
    }
}

#[test]
fn a_request_of_large_spans_leaves_for_its_bytes() {
    let mut line =
        line(|builder| builder.with_max_export_batch_size(2_000).with_scheduled_delay(HOUR));
    line.push(200, 10_000);
    let sent = line.wait(TICK);
    let bytes = sent.iter().map(|request| request.bytes).sum::<usize>();
    assert!(bytes >= 700 << 10, "{sent:?}");
    assert!(sent.iter().all(|request| request.bytes <= 896 << 10), "{sent:?}");
}

#[test]
fn a_flush_sends_what_is_less_than_a_batch() {
    let mut line =
        line(|builder| builder.with_max_export_batch_size(100).with_scheduled_delay(HOUR));
    line.push(130, SMALL);
    assert_eq!(line.wait(TICK).iter().map(|request| request.spans).sum::<u64>(), 100);
    assert_eq!(line.flush().iter().map(|request| request.spans).sum::<u64>(), 30);
    assert!(!line.is_flushed(), "the receiver has not answered");
    line.answer();
    assert!(line.is_flushed());
}

/// A flush waits for the chunks that were drained long before it, and releases them.
#[test]
fn each_number_changes_while_the_exporter_runs() {
    let mut line = line(|builder| builder.with_scheduled_delay(HOUR));
    let spans = |line: &mut Line, wait| {
        let sent = line.wait(wait);
        line.answer();
        sent.iter().map(|request| request.spans).collect::<Vec<_>>()
    };
    line.push(500, SMALL);
    assert_eq!(spans(&mut line, 60 * SECOND), [0_u64; 0]);
    // The batch size, in spans that wait.
    let config = BatchConfig::default().with_scheduled_delay(HOUR).with_max_in_flight(64);
    line.set(&config.clone().with_max_export_batch_size(100));
    assert_eq!(spans(&mut line, TICK), [100; 5]);
    line.push(100, SMALL);
    assert_eq!(spans(&mut line, TICK), [100]);
    // The delay.
    line.push(30, SMALL);
    assert_eq!(spans(&mut line, 60 * SECOND), [0_u64; 0]);
    line.set(&config.clone().with_scheduled_delay(SECOND));
    assert_eq!(spans(&mut line, TICK), [30]);
    // The time to hold back: the chunk has waited for it already.
    line.set(&config.clone().with_scheduled_delay(SECOND).with_hold_back(HOUR));
    line.push(20, SMALL);
    assert_eq!(spans(&mut line, 60 * SECOND), [0_u64; 0]);
    line.set(&config.clone().with_scheduled_delay(SECOND).with_hold_back(30 * SECOND));
    assert_eq!(spans(&mut line, TICK), [20]);
    // The requests in flight.
    line.set(&config.clone().with_max_export_batch_size(10).with_max_in_flight(2));
    line.push(100, SMALL);
    assert_eq!(line.wait(TICK).len(), 2);
    line.set(&config.clone().with_max_export_batch_size(10).with_max_in_flight(7));
    assert_eq!(line.wait(TICK).len(), 5);
    line.answer();
    line.wait(TICK);
    line.answer();
    // The queue.
    line.set(&config.clone().with_max_export_batch_size(64).with_max_queue_size(64));
    line.wait(Duration::ZERO);
    line.push(100, SMALL);
    assert_eq!(line.dropped(), 36);
    line.set(&config);
    assert_eq!(spans(&mut line, TICK), [64], "a full queue sends what it has");
    line.push(100, SMALL);
    assert_eq!(line.dropped(), 36);
    assert_eq!(line.shut_down().iter().map(|request| request.spans).sum::<u64>(), 100);
}

#[test]
fn a_setting_that_is_not_accepted_changes_nothing() {
    let mut line = line(|builder| builder.with_scheduled_delay(HOUR));
    let bad = BatchConfig::default().with_max_in_flight(0).with_scheduled_delay(SECOND);
    let error = line.machine_mut().set_batch_config(&bad).unwrap_err().to_string();
    assert_eq!(error, "with_max_in_flight is 0; accepted is 1 to 64 requests");
    line.push(3, SMALL);
    assert_eq!(line.wait(60 * SECOND), [], "the delay is an hour");
}

#[test]
fn presets_send_batches_of_their_size() {
    for preset in BatchPreset::ALL {
        let mut line =
            line(|builder| builder.with_batch_preset(preset).with_budget_bytes(64 << 20));
        let batch = preset.max_export_batch_size();
        line.push(batch, SMALL);
        let sent = line.wait(TICK);
        let spans = sent.iter().map(|request| request.spans).sum::<u64>() as usize;
        // A queue of 2,048 spans divides a batch into whole chunks.
        assert!((batch - batch / 50..=batch).contains(&spans), "{preset:?}: {spans} of {batch}");
        let rest = line.wait(preset.scheduled_delay() + TICK);
        assert_eq!(rest.iter().map(|request| request.spans).sum::<u64>() as usize, batch - spans);
    }
}

/// The source document, 4.1.4: every 30 s, a backlog above 2,000 doubles the size, one below 100 halves it.
#[test]
fn the_dynamic_size_follows_the_backlog() {
    let mut line = line(|builder| {
        builder
            .with_batch_size(BatchSize::Dynamic)
            .with_scheduled_delay(HOUR)
            .with_budget_bytes(64 << 20)
            .with_max_in_flight(1)
    });
    let batch = |line: &mut Line, pushed: usize| {
        line.push(pushed, SMALL);
        let sent = line.wait(TICK);
        sent.first().map(|request| request.spans)
    };
    assert_eq!(batch(&mut line, 600), Some(512));
    // A receiver that does not answer: the backlog grows.
    line.push(5_000, SMALL);
    line.wait(31 * SECOND);
    line.answer();
    assert_eq!(batch(&mut line, 1), Some(1_024));
    line.flush();
    line.answer_all();
    // 512 after 30 s, 256 after another 30 s.
    line.wait(65 * SECOND);
    assert_eq!(batch(&mut line, 255), None);
    assert_eq!(batch(&mut line, 1), Some(256));
}

/// The delay of an hour and no flush: the count alone makes the requests leave.
#[test]
fn a_running_exporter_sends_each_batch_as_it_is_complete() {
    let (exporter, received) = support::line::running(|builder| {
        builder.with_max_export_batch_size(100).with_scheduled_delay(HOUR)
    });
    for batch in 1..=20 {
        (0..100).for_each(|_| support::line::push(&exporter));
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        while *received.lock().unwrap() < 100 * batch {
            assert!(
                std::time::Instant::now() < patience,
                "batch {batch} of 100 spans did not leave"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
    exporter.shutdown_timeout(HOUR).unwrap();
    assert_eq!((exporter.snapshot().exported, *received.lock().unwrap()), (2_000, 2_000));
}

/// Threads that push while the settings of a running exporter change: no span is lost.
#[test]
fn no_span_is_lost_while_the_settings_of_a_running_exporter_change() {
    let (exporter, received) = support::line::running(|builder| builder);
    thread::scope(|scope| {
        let exporter = &exporter;
        for _ in 0..2 {
            scope.spawn(move || (0..20_000).for_each(|_| support::line::push(exporter)));
        }
        let batching = exporter.batching();
        for round in 0..200usize {
            batching
                .update(|config| {
                    config
                        .with_max_export_batch_size([10, 100, 8_192][round % 3])
                        .with_max_in_flight(1 + round % 8)
                        .with_scheduled_delay(Duration::from_millis(1 + round as u64 % 20))
                        .with_hold_back(Duration::from_millis(round as u64 % 3))
                })
                .unwrap();
            thread::yield_now();
        }
    });
    exporter.shutdown_timeout(HOUR).unwrap();
    let account = exporter.snapshot();
    account.check().unwrap();
    assert_eq!((account.exported, account.dropped_total()), (40_000, 0), "{account}");
    assert_eq!(*received.lock().unwrap(), 40_000);
}

/// A request is complete at seven eighths of its bytes: chunks of that many leave the next one for the next
/// request, and those of a byte less do not. The lengths are those of the protocol's encoding.
#[test]
fn a_batch_of_exactly_the_limit_in_bytes_is_complete() {
    let (request_bytes, complete) = (64 << 10, 56 << 10);
    for (bytes, spans) in [(complete - 1, 2), (complete, 1), (complete + 1, 1)] {
        let mut line = line(|builder| {
            builder
                .with_max_request_bytes(request_bytes)
                .with_max_in_flight(1)
                .with_scheduled_delay(HOUR)
        });
        line.push(1, SMALL);
        assert_eq!(line.flush().len(), 1);
        // Two chunks wait for the request in flight.
        line.push_encoded(bytes);
        assert_eq!(line.flush(), []);
        line.push(1, SMALL);
        assert_eq!(line.flush(), []);
        line.answer();
        let sent = line.notify();
        let sent: Vec<u64> = sent.iter().map(|request| request.spans).collect();
        assert_eq!(sent, [spans], "{bytes} bytes");
        line.shut_down();
    }
}

/// A receiver that does not answer leaves more memory to spans; one that was not asked for an hour is no such one.
#[test]
fn a_quiet_hour_is_no_stall() {
    let mut line = line(|builder| builder.with_scheduled_delay(SECOND));
    let reserve = line.reserve();
    line.wait(60 * SECOND);
    line.push(10, SMALL);
    assert_eq!(line.flush().len(), 1);
    line.wait(2 * TICK);
    assert_eq!(line.reserve(), reserve);
    line.wait(SECOND);
    assert!(line.reserve() < reserve, "no answer for a second");
    line.answer_all();
    line.wait(SECOND);
    assert_eq!(line.reserve(), reserve);
}

/// No end of a request would free memory: waiting would be for ever.
#[test]
fn a_request_has_as_many_spans_as_there_is_memory_for() {
    let mut line = line(|builder| builder.with_budget_bytes(1 << 20));
    line.push(2_000, 100);
    let (limit, charged) = (line.budget().limit(), line.budget().charged());
    let held = line.budget().try_charge_reserved(limit - charged - 40_000).unwrap();
    let sent = line.flush();
    assert!(sent.iter().all(|request| request.bytes <= 40_000), "{sent:?}");
    assert!(!sent.is_empty() && line.dropped() == 0);
    drop(held);
    line.answer_all();
    assert!(line.is_flushed());
    assert_eq!(line.ledger().exported, 2_000);
}

#[test]
fn an_idle_queue_retains_little_memory() {
    let mut line = line(|builder| builder.with_scheduled_delay(SECOND));
    line.push(20_000, 200);
    line.flush();
    line.answer_all();
    assert_eq!(line.ledger().exported, 20_000);
    line.wait(10 * SECOND);
    let charged = line.budget().charged();
    assert!(charged < 1 << 20, "{charged} bytes are charged");
}

/// A batch that counts spans does not wait for them while its chunks fill the queue.
#[test]
fn chunks_that_are_full_of_bytes_leave_before_their_spans_are_a_batch() {
    let mut line = line(|builder| {
        builder
            .with_budget_bytes(64 << 20)
            .with_max_export_batch_size(7_000)
            .with_scheduled_delay(HOUR)
    });
    line.push(2_300, 1_000);
    assert!(line.wait(2 * TICK).iter().map(|request| request.spans).sum::<u64>() > 1_000);
}

#[test]
fn a_flush_looks_soon_again_at_a_slot_that_was_held() {
    let mut line = line(|builder| builder.with_scheduled_delay(HOUR));
    line.push(10, SMALL);
    assert!(line.flush_while_slots_are_held() <= Duration::from_millis(1));
    let sent = line.wait(Duration::from_millis(5));
    assert_eq!(sent.iter().map(|request| request.spans).sum::<u64>(), 10);
}
