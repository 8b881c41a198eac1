//! A provider with a processor, and the spans that it exported.

use crate::any::{AnyProvider, AnyTracer};
use opentelemetry::trace::{Link, SpanKind, TraceId, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, Sampler as SdkSampler, SamplingDecision, SamplingResult, SdkTracerProvider,
    ShouldSample, Span as SdkSpan, SpanData, SpanExporter, SpanLimits as SdkLimits, SpanProcessor,
    TracerProviderBuilder,
};
use spanwise_opentelemetry::SpanwiseBuilderExt as _;
use spanwise_sdk::sampling::{AlwaysRecord, Sampler};
use spanwise_sdk::{Bytes, Exporter, Outcome, Sink, SpanLimits, Spanwise, SpanwiseBuilder};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A timeout for events that take milliseconds on an idle machine.
pub const LONG: Duration = Duration::from_secs(20);

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The stock provider with the stock batch processor: the reference.
    StockStock,
    /// The stock provider with our batch processor.
    StockOurs,
    /// The native provider with the stock batch processor.
    NativeStock,
    /// The native provider with its own export.
    NativeOwn,
}

impl Column {
    pub const ALL: [Self; 4] =
        [Self::StockStock, Self::StockOurs, Self::NativeStock, Self::NativeOwn];

    pub fn title(self) -> &'static str {
        match self {
            Self::StockStock => "stock provider, stock processor",
            Self::StockOurs => "stock provider, our processor",
            Self::NativeStock => "native provider, stock processor",
            Self::NativeOwn => "native provider",
        }
    }
}

/// The settings of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setup {
    /// Each span is sampled, with the default limits.
    #[default]
    AlwaysOn,
    /// Children follow their parents, and roots are sampled.
    ParentBased,
    /// No span is sampled.
    AlwaysOff,
    /// Each span is recorded and none is sampled.
    RecordOnly,
    /// As [`AlwaysOn`](Self::AlwaysOn), with another stock processor, which counts starts.
    StockStartHook,
    /// As [`AlwaysOn`](Self::AlwaysOn), with an exporter that starts spans of the global provider.
    ReentrantExporter,
    /// Two attributes, events and links, and one attribute of each event and link.
    Limits,
}

pub struct Bench {
    /// `None` once the case dropped it.
    provider: Option<AnyProvider>,
    exported: Exported,
    starts: Starts,
}

/// A processor of the stock SDK that counts starts.
#[derive(Debug, Clone, Default)]
struct Starts(Arc<AtomicUsize>);

impl SpanProcessor for Starts {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {
        self.0.fetch_add(1, SeqCst);
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The exported spans, of which this is a handle.
#[derive(Debug, Clone, Default)]
struct Exported {
    groups: Arc<Mutex<Vec<ResourceSpans>>>,
    /// Each export starts a span of the global provider.
    is_reentrant: bool,
}

impl Bench {
    pub fn new(column: Column, setup: Setup) -> Self {
        let starts = Starts::default();
        let is_reentrant = setup == Setup::ReentrantExporter;
        let exported = Exported { is_reentrant, ..Exported::default() };
        let hook = (setup == Setup::StockStartHook).then(|| starts.clone());
        let provider = match column {
            Column::StockStock => {
                let exporter = StockExporter::new(exported.clone());
                let processor = BatchSpanProcessor::builder(exporter).build();
                AnyProvider::Sdk(with_hook(stock(setup).with_span_processor(processor), hook))
            }
            Column::StockOurs => {
                let processor = spanwise_opentelemetry::BatchSpanProcessor::builder()
                    .with_environment(|_| None)
                    .with_diagnostics(|_| {})
                    .with_sink(exported.sink())
                    .build()
                    .unwrap();
                AnyProvider::Sdk(with_hook(stock(setup).with_span_processor(processor), hook))
            }
            Column::NativeStock => {
                let exporter = StockExporter::new(exported.clone());
                let processor = BatchSpanProcessor::builder(exporter).build();
                let builder = native(setup, hook).with_exporter(Exporter::None);
                AnyProvider::Native(builder.with_sdk_span_processor(processor).build().unwrap())
            }
            Column::NativeOwn => {
                let builder = native(setup, hook).with_sink(exported.sink());
                AnyProvider::Native(builder.build().unwrap())
            }
        };
        Self { provider: Some(provider), exported, starts }
    }

    pub fn provider(&self) -> &AnyProvider {
        self.provider.as_ref().unwrap()
    }

    pub fn tracer(&self) -> AnyTracer {
        self.provider().tracer("compatibility")
    }

    /// Drops the only handle of the provider.
    pub fn drop_provider(&mut self) {
        self.provider = None;
    }

    /// The starts that a stock processor received.
    pub fn starts(&self) -> usize {
        self.starts.0.load(SeqCst)
    }

    /// Makes the provider the global one.
    pub fn install(&self) {
        match self.provider().clone() {
            AnyProvider::Sdk(provider) => global::set_tracer_provider(provider),
            AnyProvider::Native(provider) => global::set_tracer_provider(provider),
        }
    }

    /// Whether the flush succeeded.
    pub fn flush(&self) -> bool {
        match self.provider() {
            AnyProvider::Sdk(provider) => provider.force_flush().is_ok(),
            AnyProvider::Native(provider) => provider.force_flush_timeout(LONG).is_ok(),
        }
    }

    /// Whether the shutdown succeeded.
    pub fn shutdown(&self) -> bool {
        match self.provider() {
            AnyProvider::Sdk(provider) => provider.shutdown_with_timeout(LONG).is_ok(),
            AnyProvider::Native(provider) => provider.shutdown_timeout(LONG).is_ok(),
        }
    }

    /// All groups that are exported by now.
    pub fn groups(&self) -> Vec<ResourceSpans> {
        self.exported.groups.lock().unwrap().clone()
    }

    /// All spans that are exported by now.
    pub fn exported(&self) -> Vec<Span> {
        let request = ExportTraceServiceRequest { resource_spans: self.groups() };
        spanwise_testkit::spans(&request).cloned().collect()
    }

    /// Flushes, and returns all spans.
    pub fn spans(&self) -> Vec<Span> {
        self.flush();
        self.exported()
    }

    /// Flushes, and returns the only span.
    pub fn span(&self) -> Span {
        let mut spans = self.spans();
        assert_eq!(spans.len(), 1, "{spans:?}");
        spans.remove(0)
    }
}

fn with_hook(mut builder: TracerProviderBuilder, hook: Option<Starts>) -> SdkTracerProvider {
    if let Some(hook) = hook {
        builder = builder.with_span_processor(hook);
    }
    builder.build()
}

fn stock(setup: Setup) -> TracerProviderBuilder {
    let builder = SdkTracerProvider::builder()
        .with_resource(Resource::builder_empty().with_service_name("shop").build());
    match setup {
        Setup::AlwaysOn | Setup::StockStartHook | Setup::ReentrantExporter => {
            builder.with_sampler(SdkSampler::AlwaysOn)
        }
        Setup::AlwaysOff => builder.with_sampler(SdkSampler::AlwaysOff),
        Setup::ParentBased => {
            builder.with_sampler(SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOn)))
        }
        Setup::RecordOnly => builder.with_sampler(RecordOnly),
        Setup::Limits => builder.with_sampler(SdkSampler::AlwaysOn).with_span_limits(SdkLimits {
            max_attributes_per_span: 2,
            max_events_per_span: 2,
            max_links_per_span: 2,
            max_attributes_per_event: 1,
            max_attributes_per_link: 1,
        }),
    }
}

fn native(setup: Setup, hook: Option<Starts>) -> SpanwiseBuilder {
    let mut builder = Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_service_name("shop");
    if let Some(hook) = hook {
        builder = builder.with_sdk_span_processor(hook);
    }
    match setup {
        Setup::AlwaysOn | Setup::StockStartHook | Setup::ReentrantExporter => {
            builder.with_sampler(Sampler::always_on())
        }
        Setup::AlwaysOff => builder.with_sampler(Sampler::always_off()),
        Setup::ParentBased => builder.with_sampler(Sampler::always_on().parent_based()),
        Setup::RecordOnly => {
            builder.with_sampler(Sampler::from(AlwaysRecord::new(Sampler::always_off())))
        }
        Setup::Limits => {
            let mut limits = SpanLimits::default();
            (limits.attributes, limits.events, limits.links) = (2, 2, 2);
            (limits.attributes_per_event, limits.attributes_per_link) = (1, 1);
            builder.with_sampler(Sampler::always_on()).with_span_limits(limits)
        }
    }
}

#[derive(Debug, Clone)]
struct RecordOnly;

impl ShouldSample for RecordOnly {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: SamplingDecision::RecordOnly,
            attributes: Vec::new(),
            trace_state: Default::default(),
        }
    }
}

impl Exported {
    fn sink(&self) -> impl Sink + use<> {
        let exported = self.clone();
        move |request: Bytes| {
            exported.extend(spanwise_testkit::decode(&request));
            std::future::ready(Outcome::Accepted { rejected: 0, message: None })
        }
    }

    fn extend(&self, request: ExportTraceServiceRequest) {
        if self.is_reentrant {
            drop(global::tracer("exporter").start("inside"));
        }
        self.groups.lock().unwrap().extend(request.resource_spans);
    }
}

/// An exporter of the stock SDK that encodes its batches.
#[derive(Debug)]
struct StockExporter {
    exported: Exported,
    resource: Resource,
}

impl StockExporter {
    fn new(exported: Exported) -> Self {
        Self { exported, resource: Resource::builder_empty().build() }
    }
}

impl SpanExporter for StockExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource = ResourceAttributesWithSchema::from(&self.resource);
        let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
        self.exported.extend(ExportTraceServiceRequest { resource_spans });
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.clone();
    }
}
