//! Components of the semantic conventions: `otel.component.type` and `otel.component.name`.

use crate::encoder_bytes::is_sink;
use spanwise_transport::{Protocol, Transport};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The type of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ComponentType {
    BatchingSpanProcessor,
    OtlpHttpSpanExporter,
    OtlpHttpJsonSpanExporter,
    OtlpGrpcSpanExporter,
    /// A program's own sink, for which the semantic conventions have no type.
    SinkSpanExporter,
}

/// A component of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) kind: ComponentType,
    /// The number of components of this type that the process had before.
    number: u64,
}

impl ComponentType {
    /// The type of the exporter that sends through `transport`.
    pub(crate) fn of(transport: &Transport) -> Self {
        match transport.protocol() {
            _ if is_sink(transport) => Self::SinkSpanExporter,
            Protocol::HttpJson => Self::OtlpHttpJsonSpanExporter,
            Protocol::Grpc => Self::OtlpGrpcSpanExporter,
            _ => Self::OtlpHttpSpanExporter,
        }
    }

    /// The value of `otel.component.type`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BatchingSpanProcessor => "batching_span_processor",
            Self::OtlpHttpSpanExporter => "otlp_http_span_exporter",
            Self::OtlpHttpJsonSpanExporter => "otlp_http_json_span_exporter",
            Self::OtlpGrpcSpanExporter => "otlp_grpc_span_exporter",
            Self::SinkSpanExporter => "sink_span_exporter",
        }
    }
}

impl Component {
    /// The next component of this type.
    pub(crate) fn next(kind: ComponentType) -> Self {
        static NUMBERS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
        let number = NUMBERS.get(kind as usize).map_or(0, |number| number.fetch_add(1, Relaxed));
        Self { kind, number }
    }

    /// The value of `otel.component.name`: unique in the process, and the same after its restart.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.kind.name(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_of_a_type_has_the_next_number() {
        let [first, second] = [(); 2].map(|()| Component::next(ComponentType::SinkSpanExporter));
        assert!(second.number > first.number);
        assert_eq!(second.name(), format!("sink_span_exporter/{}", second.number));
    }
}
