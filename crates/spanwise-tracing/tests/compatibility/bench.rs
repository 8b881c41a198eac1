//! A subscriber with one of the layers, and the spans that it exported.

use crate::samplers::{Seen, Watching};
use crate::text;
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter, SpanLimits};
use spanwise_sdk::{Bytes, Outcome, SpanProcessor, Spanwise};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tracing::Dispatch;
use tracing::dispatcher::WeakDispatch;
use tracing::level_filters::LevelFilter;
use tracing::span::Id;
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt as _};

/// A timeout for events that take milliseconds on an idle machine.
pub const LONG: Duration = Duration::from_secs(20);

/// More spans of a callsite than our layer lets wait before it knows that their parents do not come late.
const OBSERVED: usize = 20;

/// The layer of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    /// tracing-opentelemetry on the stock SDK: the reference.
    Theirs,
    /// Ours, which has seen no span of the callsites: roots wait for a late parent.
    Ours,
    /// Ours, which has seen that the callsites have none: all spans start at once.
    OursAtOnce,
    /// Ours, whose spans start when they are entered, because a processor sees the start.
    OursWaiting,
    /// Our subscriber, without a registry and other layers.
    OursAlone,
}

impl Layers {
    pub const ALL: [Self; 5] =
        [Self::Theirs, Self::Ours, Self::OursAtOnce, Self::OursWaiting, Self::OursAlone];
}

/// The options of a case, set explicitly on both layers.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub location: bool,
    pub threads: bool,
    pub level: bool,
    pub target: bool,
    pub inactivity: bool,
    pub activation: bool,
    pub fields_to_exceptions: bool,
    pub records_to_exceptions: bool,
    pub events_to_status: bool,
    pub events_to_exceptions: bool,
    /// The layer sees levels up to debug, and another layer all.
    pub filter: bool,
    /// The subscriber has the layer.
    pub layer: bool,
    /// A sampler drops each span that has a field `drop`, and reports what it sees.
    pub watching: bool,
    /// Two attributes, events and links, and one attribute of each event and link.
    pub limits: bool,
    /// Another layer reads the context of each span that is entered.
    pub reading: bool,
    /// Events up to debug are recorded, and all are counted.
    pub counting: bool,
}

impl Setup {
    /// The case has no other layer.
    fn is_possible_alone(&self) -> bool {
        self.layer && !self.reading && !self.counting
    }
}

/// As both layers are by default, without what the callsite and the clock add.
pub const PLAIN: Setup = Setup {
    location: false,
    threads: false,
    level: false,
    target: false,
    inactivity: false,
    activation: true,
    fields_to_exceptions: true,
    records_to_exceptions: true,
    events_to_status: true,
    events_to_exceptions: true,
    filter: false,
    layer: true,
    watching: false,
    limits: false,
    reading: false,
    counting: false,
};

/// Without the activation of contexts.
pub const INACTIVE: Setup = Setup { activation: false, ..PLAIN };

/// The layer has a filter of its own.
pub const FILTERED: Setup = Setup { filter: true, ..PLAIN };

pub struct Bench {
    pub layers: Layers,
    dispatch: Dispatch,
    provider: Provider,
    exported: Exported,
    seen: Seen,
    read: Read,
    full: RefCell<String>,
    /// The layer knows the callsites, if it is to know them.
    is_warm: Cell<bool>,
}

/// The text of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// For the table.
    pub short: String,
    /// With what the table leaves out.
    full: String,
}

enum Provider {
    Stock(SdkTracerProvider),
    Native(Spanwise),
}

#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<Span>>>);

impl Bench {
    pub fn run(layers: Layers, setup: Setup, run: impl Fn(&Self) -> String) -> Shown {
        let bench = Self::new(layers, setup);
        let run = || tracing::dispatcher::with_default(&bench.dispatch, || run(&bench));
        if layers == Layers::OursAtOnce {
            (0..OBSERVED).for_each(|_| drop(run()));
            bench.is_warm.set(true);
            bench.forget();
        }
        let short = run();
        Shown { short, full: bench.full.take() }
    }

    /// Forgets the spans so far.
    fn forget(&self) {
        drop(self.spans());
        self.exported.0.lock().unwrap().clear();
        self.seen.0.lock().unwrap().clear();
        self.read.lock().unwrap().clear();
        self.full.take();
    }

    fn new(layers: Layers, setup: Setup) -> Self {
        let (exported, seen) = (Exported::default(), Seen::default());
        let provider = match layers {
            Layers::Theirs => Provider::Stock(stock(setup, &exported, &seen)),
            Layers::Ours | Layers::OursAtOnce | Layers::OursAlone => {
                Provider::Native(native(setup, &exported, &seen, false))
            }
            Layers::OursWaiting => Provider::Native(native(setup, &exported, &seen, true)),
        };
        let layer = setup.layer.then(|| match &provider {
            Provider::Stock(provider) if setup.counting => {
                their_layer(provider, setup).with_counting_event_filter(LevelFilter::DEBUG).boxed()
            }
            Provider::Native(provider) if setup.counting => {
                our_layer(provider, setup).with_counting_event_filter(LevelFilter::DEBUG).boxed()
            }
            Provider::Stock(provider) => their_layer(provider, setup).boxed(),
            Provider::Native(provider) => our_layer(provider, setup).boxed(),
        });
        let layer = layer.map(|layer| match setup.filter {
            true => layer.with_filter(LevelFilter::DEBUG).boxed(),
            false => layer,
        });
        let read = Read::default();
        let other = SeesAll {
            layers: setup.reading.then_some(layers),
            dispatch: OnceLock::new(),
            read: read.clone(),
        };
        let dispatch = match &provider {
            Provider::Native(provider)
                if layers == Layers::OursAlone && setup.is_possible_alone() =>
            {
                Dispatch::new(our_subscriber(provider, setup))
            }
            _ => Dispatch::new(Registry::default().with(layer).with(other)),
        };
        let is_warm = Cell::new(layers != Layers::OursAtOnce);
        let full = RefCell::default();
        Self { layers, dispatch, provider, exported, seen, read, full, is_warm }
    }

    /// The exported spans, by name, as text.
    pub fn text(&self) -> String {
        if !self.is_warm.get() {
            return String::new();
        }
        let spans = self.spans();
        self.full.borrow_mut().push_str(&text::full(&spans));
        text::short(&spans)
    }

    /// The exported spans, by name.
    pub fn spans(&self) -> Vec<Span> {
        if let Provider::Native(provider) = &self.provider {
            provider.force_flush_timeout(LONG).unwrap();
        }
        let mut spans = self.exported.0.lock().unwrap().clone();
        spans.sort_by(|a, b| {
            (&a.name, a.start_time_unix_nano).cmp(&(&b.name, b.start_time_unix_nano))
        });
        spans
    }

    /// The exported span with this name.
    pub fn span(&self, name: &str) -> Span {
        self.spans().into_iter().find(|span| span.name == name).unwrap()
    }

    /// The questions that the sampler was asked.
    pub fn sampled(&self) -> String {
        self.seen.0.lock().unwrap().join("\n")
    }

    /// Starts a span by the API below the current context.
    pub fn api_span(&self, name: &'static str) -> Context {
        match &self.provider {
            Provider::Stock(provider) => {
                Context::current_with_span(provider.tracer("api").start(name))
            }
            Provider::Native(provider) => {
                let tracer = TracerProvider::tracer(provider, "api");
                Context::current_with_span(opentelemetry::trace::Tracer::start(&tracer, name))
            }
        }
    }

    /// The ids of the spans whose contexts another layer read.
    pub fn read(&self) -> Vec<Vec<u8>> {
        self.read.lock().unwrap().clone()
    }

    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Whether the text of the run counts.
    pub fn is_warm(&self) -> bool {
        self.is_warm.get()
    }

    pub fn is_theirs(&self) -> bool {
        self.layers == Layers::Theirs
    }
}

/// Sets the options of a case, whose methods have the same names.
macro_rules! with_options {
    ($layer:expr, $setup:ident) => {
        $layer
            .with_location($setup.location)
            .with_threads($setup.threads)
            .with_level($setup.level)
            .with_target($setup.target)
            .with_tracked_inactivity($setup.inactivity)
            .with_context_activation($setup.activation)
            .with_error_fields_to_exceptions($setup.fields_to_exceptions)
            .with_error_records_to_exceptions($setup.records_to_exceptions)
            .with_error_events_to_status($setup.events_to_status)
            .with_error_events_to_exceptions($setup.events_to_exceptions)
    };
}

fn their_layer(
    provider: &SdkTracerProvider,
    setup: Setup,
) -> tracing_opentelemetry::OpenTelemetryLayer<Registry, opentelemetry_sdk::trace::SdkTracer> {
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("tracing"));
    with_options!(layer, setup)
}

fn our_layer(provider: &Spanwise, setup: Setup) -> spanwise_tracing::SpanwiseLayer {
    with_options!(spanwise_tracing::layer(provider), setup)
}

fn our_subscriber(provider: &Spanwise, setup: Setup) -> spanwise_tracing::SpanwiseSubscriber {
    let max_level = if setup.filter { LevelFilter::DEBUG } else { LevelFilter::TRACE };
    with_options!(spanwise_tracing::subscriber(provider).with_max_level(max_level), setup)
}

fn stock(setup: Setup, exported: &Exported, seen: &Seen) -> SdkTracerProvider {
    let mut builder = SdkTracerProvider::builder()
        .with_simple_exporter(exported.clone())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
    if setup.watching {
        builder = builder.with_sampler(Watching(seen.clone()));
    }
    if setup.limits {
        builder = builder.with_span_limits(SpanLimits {
            max_attributes_per_span: 2,
            max_events_per_span: 2,
            max_links_per_span: 2,
            max_attributes_per_event: 3,
            max_attributes_per_link: 1,
        });
    }
    builder.build()
}

fn native(setup: Setup, exported: &Exported, seen: &Seen, is_waiting: bool) -> Spanwise {
    let exported = exported.clone();
    let mut builder = Spanwise::builder()
        .with_environment(|_| None)
        .with_diagnostics(|_| {})
        .with_sink(move |request: Bytes| {
            let request = spanwise_testkit::decode(&request);
            exported.0.lock().unwrap().extend(spanwise_testkit::spans(&request).cloned());
            std::future::ready(Outcome::Accepted { rejected: 0, message: None })
        });
    if is_waiting {
        builder = builder.with_span_processor(SeesStarts);
    }
    if setup.watching {
        builder =
            builder.with_sampler(spanwise_sdk::sampling::Sampler::from(Watching(seen.clone())));
    }
    if setup.limits {
        let mut limits = spanwise_sdk::SpanLimits::default();
        (limits.attributes, limits.events, limits.links) = (2, 2, 2);
        (limits.attributes_per_event, limits.attributes_per_link) = (3, 1);
        builder = builder.with_span_limits(limits);
    }
    builder.build().unwrap()
}

/// A processor of ours, for whose sake spans do not start before they are entered.
struct SeesStarts;

impl SpanProcessor for SeesStarts {}

/// The span ids that another layer read.
type Read = Arc<Mutex<Vec<Vec<u8>>>>;

/// A layer that sees the spans which a filter of another layer removes.
struct SeesAll {
    /// The layer whose contexts it reads.
    layers: Option<Layers>,
    dispatch: OnceLock<WeakDispatch>,
    read: Read,
}

impl<S: tracing::Subscriber> Layer<S> for SeesAll {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _first = self.dispatch.set(dispatch.downgrade());
    }

    fn on_enter(&self, id: &Id, _: tracing_subscriber::layer::Context<'_, S>) {
        let Some(layers) = self.layers else { return };
        let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade).unwrap();
        let context = match layers {
            Layers::Theirs => tracing_opentelemetry::get_otel_context(id, &dispatch),
            _ => spanwise_tracing::get_otel_context(id, &dispatch),
        };
        let id = context.unwrap().span().span_context().span_id();
        self.read.lock().unwrap().push(id.to_bytes().to_vec());
    }
}

/// An exporter of the stock SDK that encodes its batches.
impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource = ResourceAttributesWithSchema::default();
        let resource_spans = group_spans_by_resource_and_scope(batch, &resource);
        let request = ExportTraceServiceRequest { resource_spans };
        self.0.lock().unwrap().extend(spanwise_testkit::spans(&request).cloned());
        Ok(())
    }
}
