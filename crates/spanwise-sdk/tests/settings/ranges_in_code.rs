//! Numbers of methods: the ends of the range that the table states are accepted, and one beyond is an error.

use crate::with;
use spanwise_sdk::SpanwiseBuilder;
use spanwise_sdk::settings::{Setting, SettingType, Support, settings};
use std::time::Duration;

/// Sets the number by the method of this name.
fn set(builder: SpanwiseBuilder, method: &str, number: u64) -> Option<SpanwiseBuilder> {
    let (size, time) = (number as usize, Duration::from_millis(number));
    Some(match method {
        "with_budget_bytes" => builder.with_budget_bytes(size),
        "with_max_queue_size" => builder.with_max_queue_size(size),
        // A batch is at most the queue.
        "with_max_export_batch_size" => {
            builder.with_max_queue_size(1 << 24).with_max_export_batch_size(size)
        }
        "with_max_request_bytes" => builder.with_max_request_bytes(size),
        "with_max_in_flight" => builder.with_max_in_flight(size),
        "with_compression_threshold" => builder.with_compression_threshold(size),
        "with_max_response_bytes" => builder.with_max_response_bytes(size),
        "with_scheduled_delay" => builder.with_scheduled_delay(time),
        "with_hold_back" => builder.with_hold_back(time),
        #[cfg(feature = "config-file")]
        "with_config_file_watch" => builder.with_config_file_watch(time),
        _ => return None,
    })
}

/// The rows with a range that a method of their own sets.
fn ranges() -> impl Iterator<Item = (&'static Setting, &'static str, u64, u64)> {
    let supported = settings().iter().filter(|it| it.support == Support::Supported);
    supported.filter_map(|setting| match setting.kind {
        SettingType::Integer { min, max, .. } | SettingType::Milliseconds { min, max } => {
            let is_of_all = |method: &&str| *method == "with_span_limits";
            let method = setting.methods.first().filter(|method| !is_of_all(method))?;
            Some((setting, *method, min, max))
        }
        _ => None,
    })
}

#[test]
fn each_number_of_a_method_has_the_range_that_the_table_states() {
    let mut seen = 0;
    for (setting, method, least, most) in ranges().filter(|range| range.3 < u64::MAX) {
        if method == "with_config_file_watch" && cfg!(not(feature = "config-file")) {
            continue;
        }
        seen += 1;
        let built = |number: u64| {
            let builder = set(with(&[]), method, number).unwrap_or_else(|| panic!("{method}"));
            builder.explain().map_err(|error| error.to_string())
        };
        for end in [least, most] {
            match built(end) {
                Ok(explanation) => {
                    let row = explanation.iter().find(|row| row.setting == *setting);
                    // A watch without a file has no row.
                    let value = row.map_or_else(|| end.to_string(), |row| row.value.clone());
                    assert_eq!(value, end.to_string(), "{method}");
                }
                // A small budget holds no request of the usual size.
                Err(error) => assert!(!error.contains("accepted is"), "{error}"),
            }
        }
        for beyond in [least.checked_sub(1), most.checked_add(1)].into_iter().flatten() {
            let error = built(beyond).err().unwrap_or_else(|| panic!("{method}({beyond})"));
            let is_range = error.starts_with(method) && error.contains("accepted is");
            assert!(is_range, "{error}");
        }
    }
    assert!(seen >= 9, "only {seen} methods with numbers");
}
