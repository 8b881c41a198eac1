//! Settings of the batching processor and of requests.

use super::rows;
use super::setting::{Setting, SettingType as Type};

rows! {
    SCHEDULE_DELAY = Setting::new(
        &["OTEL_BSP_SCHEDULE_DELAY"],
        Type::Milliseconds { min: 1, max: MONTH },
        "1000",
        "Limits the time that an ended span waits before it is sent.",
    )
    .in_code(&["with_scheduled_delay", "with_batch_preset", "with_production_preset"])
    .in_file(&["tracer_provider.processors[0].batch.schedule_delay"]);
    EXPORT_TIMEOUT = Setting::new(
        &["OTEL_BSP_EXPORT_TIMEOUT"],
        Type::Timeout,
        "60000",
        "Limits a request with all its retries.",
    )
    .in_code(&["with_export_timeout", "with_batch_preset", "with_production_preset"])
    .in_file(&["tracer_provider.processors[0].batch.export_timeout"]);
    /// With fewer spans, one open chunk would reserve most of the slots.
    MAX_QUEUE_SIZE = Setting::new(
        &["OTEL_BSP_MAX_QUEUE_SIZE"],
        Type::Integer { min: 16, max: 1 << 24, unit: "spans" },
        "none",
        "Limits the spans that wait, beside the bytes of the budget.",
    )
    .in_code(&["with_max_queue_size", "with_batch_preset", "with_production_preset"])
    .in_file(&["tracer_provider.processors[0].batch.max_queue_size"]);
    MAX_EXPORT_BATCH_SIZE = Setting::new(
        &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
        Type::Integer { min: 1, max: 1 << 20, unit: "spans" },
        "8192",
        "Limits the spans of a request; with a smaller number than the default, that number of waiting spans is sent at once.",
    )
    .in_code(&["with_max_export_batch_size", "with_batch_preset", "with_production_preset"])
    .in_file(&["tracer_provider.processors[0].batch.max_export_batch_size"])
    .remark("at most the queue size");
    BATCH_SIZE = Setting::new(
        &[],
        Type::Code,
        "none",
        "Selects the algorithm that determines the size of batches.",
    )
    .in_code(&["with_batch_size"]);
    HOLD_BACK = Setting::new(
        &[],
        Type::Milliseconds { min: 0, max: MONTH },
        "0",
        "Sets the time for which the exporter holds ended spans back.",
    )
    .in_code(&["with_hold_back"]);
    /// Receivers reject gRPC messages above 4 MiB.
    MAX_REQUEST_BYTES = Setting::new(
        &[],
        Type::Integer { min: 64 << 10, max: 3_932_160, unit: "bytes" },
        "3932160",
        "Limits the size of a request.",
    )
    .in_code(&["with_max_request_bytes"]);
    /// Each may be a connection, two descriptors and a task.
    MAX_IN_FLIGHT = Setting::new(
        &[],
        Type::Integer { min: 1, max: 64, unit: "requests" },
        "4",
        "Limits the requests in flight.",
    )
    .in_code(&["with_max_in_flight"])
    .remark("the default in a container with less than one processor is four for each");
}

/// 30 days, in milliseconds: the longest of most durations.
pub(in super::super) const MONTH: u64 = 30 * 24 * 3_600_000;
