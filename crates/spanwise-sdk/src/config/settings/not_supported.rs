//! Variables of the specification that have no effect here.

use super::rows;
use super::setting::Setting;

rows! {
    ENTITIES = Setting::without_effect(
        &["OTEL_ENTITIES"],
        "entities are not supported; use OTEL_RESOURCE_ATTRIBUTES",
        "The entities of the resource.",
    );
    SPAN_INSECURE = Setting::without_effect(
        &["OTEL_EXPORTER_OTLP_SPAN_INSECURE"],
        OBSOLETE,
        "The earlier name of `OTEL_EXPORTER_OTLP_TRACES_INSECURE`.",
    );
    SPAN_CERTIFICATE = Setting::without_effect(
        &["OTEL_EXPORTER_OTLP_SPAN_CERTIFICATE"],
        OBSOLETE,
        "The earlier name of `OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE`.",
    );
    ZIPKIN_ENDPOINT = Setting::without_effect(
        &["OTEL_EXPORTER_ZIPKIN_ENDPOINT"],
        ZIPKIN,
        "The endpoint of the Zipkin exporter.",
    );
    ZIPKIN_TIMEOUT = Setting::without_effect(
        &["OTEL_EXPORTER_ZIPKIN_TIMEOUT"],
        ZIPKIN,
        "The timeout of the Zipkin exporter.",
    );
    JAEGER_AGENT_HOST = jaeger(&["OTEL_EXPORTER_JAEGER_AGENT_HOST"]);
    JAEGER_AGENT_PORT = jaeger(&["OTEL_EXPORTER_JAEGER_AGENT_PORT"]);
    JAEGER_ENDPOINT = jaeger(&["OTEL_EXPORTER_JAEGER_ENDPOINT"]);
    JAEGER_PASSWORD = jaeger(&["OTEL_EXPORTER_JAEGER_PASSWORD"]);
    JAEGER_PROTOCOL = jaeger(&["OTEL_EXPORTER_JAEGER_PROTOCOL"]);
    JAEGER_TIMEOUT = jaeger(&["OTEL_EXPORTER_JAEGER_TIMEOUT"]);
    JAEGER_USER = jaeger(&["OTEL_EXPORTER_JAEGER_USER"]);
    LOGS_EXPORTER = Setting::of_another_signal(
        &["OTEL_LOGS_EXPORTER"],
        "The exporter of logs.",
    );
    EXEMPLAR_FILTER = Setting::of_another_signal(
        &["OTEL_METRICS_EXEMPLAR_FILTER"],
        "The filter of exemplars.",
    );
    LOG_SCHEDULE_DELAY = Setting::of_another_signal(
        &["OTEL_BLRP_SCHEDULE_DELAY"],
        "The delay of the batching processor of log records.",
    );
    LOG_EXPORT_TIMEOUT = Setting::of_another_signal(
        &["OTEL_BLRP_EXPORT_TIMEOUT"],
        "The export timeout of the batching processor of log records.",
    );
    LOG_QUEUE_SIZE = Setting::of_another_signal(
        &["OTEL_BLRP_MAX_QUEUE_SIZE"],
        "The queue size of the batching processor of log records.",
    );
    LOG_BATCH_SIZE = Setting::of_another_signal(
        &["OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"],
        "The batch size of the batching processor of log records.",
    );
    LOG_ATTRIBUTES = Setting::of_another_signal(
        &["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"],
        "The limit of attributes of a log record.",
    );
    LOG_ATTRIBUTE_VALUE_LENGTH = Setting::of_another_signal(
        &["OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        "The limit of attribute values of a log record.",
    );
}

const fn jaeger(variables: &'static [&'static str]) -> Setting {
    Setting::without_effect(
        variables,
        JAEGER,
        "A setting of the Jaeger exporter, which the specification removed.",
    )
}

const OBSOLETE: &str = "the name is obsolete; it is OTEL_EXPORTER_OTLP_TRACES_… now";
const ZIPKIN: &str = "there is no Zipkin exporter; set OTEL_EXPORTER_OTLP_ENDPOINT";
const JAEGER: &str =
    "there is no Jaeger exporter; Jaeger takes OTLP: set OTEL_EXPORTER_OTLP_ENDPOINT";
