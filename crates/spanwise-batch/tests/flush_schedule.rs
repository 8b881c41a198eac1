//! The flush schedule through its public items: the setters of its configuration decide the actions.

use spanwise_batch::{FlushAction, FlushSchedule, FlushScheduleConfig};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

#[test]
fn each_setter_decides_its_action() {
    let start = Instant::now();
    let config = FlushScheduleConfig::default()
        .with_scheduled_delay(50 * MS)
        .with_chunks(3)
        .with_tick(20 * MS);
    let mut schedule = FlushSchedule::new(config, start);
    assert_eq!(schedule.poll(start, 0), FlushAction::WaitUntil(start + 20 * MS));
    assert_eq!(schedule.poll(start, 3), FlushAction::DrainFull);
    assert_eq!(schedule.poll(start + 40 * MS, 2), FlushAction::WaitUntil(start + 50 * MS));
    assert_eq!(schedule.poll(start + 50 * MS, 2), FlushAction::DrainAll);
    schedule.drained_all(start + 50 * MS);
    assert_eq!(schedule.poll(start + 99 * MS, 0), FlushAction::WaitUntil(start + 100 * MS));
}
