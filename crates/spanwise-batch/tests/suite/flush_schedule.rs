//! The flush schedule through its public items: the setters of its configuration decide the actions.

use spanwise_batch::{FlushAction, FlushSchedule, FlushScheduleConfig, FullChunks};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

/// Full chunks of 10 spans.
fn full(chunks: usize) -> FullChunks {
    FullChunks { chunks, spans: 10 * chunks }
}

#[test]
fn each_setter_decides_its_action() {
    let start = Instant::now();
    let config = FlushScheduleConfig::default()
        .with_scheduled_delay(50 * MS)
        .with_chunks(3)
        .with_tick(20 * MS);
    let mut schedule = FlushSchedule::new(config, start);
    assert_eq!(schedule.poll(start, full(0)), FlushAction::WaitUntil(start + 20 * MS));
    assert_eq!(schedule.poll(start, full(3)), FlushAction::DrainFull);
    assert_eq!(schedule.poll(start + 40 * MS, full(2)), FlushAction::WaitUntil(start + 50 * MS));
    assert_eq!(schedule.poll(start + 50 * MS, full(2)), FlushAction::DrainAll);
    schedule.drained_all(start + 50 * MS);
    assert_eq!(schedule.poll(start + 99 * MS, full(0)), FlushAction::WaitUntil(start + 100 * MS));

    let config = config.with_batch_spans(20);
    schedule.set_config(config);
    assert_eq!(schedule.config(), config);
    assert_eq!(schedule.poll(start + 60 * MS, full(2)), FlushAction::DrainFull);
    assert_eq!(schedule.poll(start + 70 * MS, full(1)), FlushAction::DrainBatch(20));
    schedule.counted(start + 70 * MS);
    assert_eq!(schedule.poll(start + 71 * MS, full(1)), FlushAction::WaitUntil(start + 90 * MS));
}
