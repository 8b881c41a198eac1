use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Converts a [`SystemTime`] to nanoseconds since 1970: 0 for times before, `u64::MAX` for times
/// after the year 2554.
pub fn to_unix_nanos(time: SystemTime) -> u64 {
    let saturating = |since: Duration| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    time.duration_since(UNIX_EPOCH).map_or(0, saturating)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_of_range_saturates() {
        for (time, nanos) in [
            (Some(UNIX_EPOCH), 0),
            (UNIX_EPOCH.checked_sub(Duration::from_secs(1)), 0),
            (UNIX_EPOCH.checked_add(Duration::from_nanos(1)), 1),
            (UNIX_EPOCH.checked_add(Duration::from_nanos(u64::MAX)), u64::MAX),
            (UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)), u64::MAX),
        ] {
            // A system whose `SystemTime` cannot represent such a time has nothing to convert.
            if let Some(time) = time {
                assert_eq!(to_unix_nanos(time), nanos);
            }
        }
    }
}
