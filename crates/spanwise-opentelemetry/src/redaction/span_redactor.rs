//! [`SpanRedactor`]: a redactor for the values of the stock SDK.

use super::encode;
use crate::values::redacted_attributes as attributes;
use opentelemetry::trace::Status;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use spanwise_redact::{Redacted, Redactor, Scratch};
use spanwise_wire::read::{ResourceSpans, ScopeSpans, SpanView, WireError};
use spanwise_wire::write::put_bytes;
use spanwise_worker::catch_panic;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, TryLockError};

/// Applies rules to spans, scopes and resources of the stock SDK, by way of their OTLP bytes: so the results are those of the native
/// provider.
pub(super) struct SpanRedactor {
    redactor: Redactor,
    /// A thread that finds them in use takes new ones.
    buffers: Mutex<Buffers>,
    /// Messages that lost all their texts, because the rules panicked.
    panics: AtomicU64,
}

#[derive(Default)]
struct Buffers {
    message: Vec<u8>,
    scratch: Scratch,
}

impl SpanRedactor {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, buffers: Mutex::default(), panics: AtomicU64::new(0) }
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Number of values that no rule could read, and of messages on which the rules panicked.
    pub(super) fn failures(&self) -> u64 {
        self.redactor.failures().saturating_add(self.panics.load(Relaxed))
    }

    /// The redacted span. One on which the rules panic, or whose result cannot be read, loses all that they reach.
    pub(super) fn span(&self, mut span: SpanData) -> SpanData {
        self.with_buffers(|Buffers { message, scratch }| {
            let redacted = catch_panic(|| {
                encode::put_span(message, &span);
                match self.redactor.redact_span(message, scratch) {
                    Redacted::Unchanged => Ok(()),
                    Redacted::Changed(changed) => replace(&mut span, changed),
                }
            });
            if !matches!(redacted, Ok(Ok(()))) {
                self.count_panic();
                strip(&mut span);
            }
        });
        let scope = self.scope(&span.instrumentation_scope);
        if let Some(scope) = scope {
            span.instrumentation_scope = scope;
        }
        span
    }

    /// The redacted scope; `None` if no rule changes it.
    fn scope(&self, scope: &InstrumentationScope) -> Option<InstrumentationScope> {
        scope.attributes().next()?;
        let attributes = self.attributes(&encode::scope(scope.attributes()), Kind::Scope)?;
        let mut builder = InstrumentationScope::builder(scope.name().to_owned());
        if let Some(version) = scope.version() {
            builder = builder.with_version(version.to_owned());
        }
        if let Some(url) = scope.schema_url() {
            builder = builder.with_schema_url(url.to_owned());
        }
        Some(builder.with_attributes(attributes).build())
    }

    /// The redacted resource; `None` if no rule changes it.
    pub(super) fn resource(&self, resource: &Resource) -> Option<Resource> {
        let attributes = self.attributes(&encode::resource(resource.iter()), Kind::Resource)?;
        let builder = Resource::builder_empty();
        let builder = match resource.schema_url() {
            None => builder.with_attributes(attributes),
            Some(url) => builder.with_schema_url(attributes, url.to_owned()),
        };
        Some(builder.build())
    }

    /// The redacted attributes of a message; `None` if no rule changes them.
    fn attributes(&self, message: &[u8], kind: Kind) -> Option<Vec<KeyValue>> {
        let mut scratch = Scratch::default();
        let redacted = catch_panic(|| {
            let redacted = match kind {
                Kind::Resource => self.redactor.redact_resource(message, &mut scratch),
                Kind::Scope => self.redactor.redact_scope(message, &mut scratch),
            };
            match redacted {
                Redacted::Unchanged => Ok(None),
                Redacted::Changed(changed) => kind.attributes(changed).map(Some),
            }
        });
        match redacted {
            Ok(Ok(attributes)) => attributes,
            Ok(Err(_)) | Err(_) => {
                self.count_panic();
                Some(Vec::new())
            }
        }
    }

    fn with_buffers(&self, run: impl FnOnce(&mut Buffers)) {
        match self.buffers.try_lock() {
            Ok(mut buffers) => run_and_shrink(&mut buffers, run),
            Err(TryLockError::Poisoned(poisoned)) => {
                run_and_shrink(&mut poisoned.into_inner(), run);
            }
            Err(TryLockError::WouldBlock) => run(&mut Buffers::default()),
        }
    }

    fn count_panic(&self) {
        // ORDER: Relaxed: the count publishes no other data.
        self.panics.fetch_add(1, Relaxed);
    }
}

impl fmt::Debug for SpanRedactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.redactor, f)
    }
}

fn run_and_shrink(buffers: &mut Buffers, run: impl FnOnce(&mut Buffers)) {
    run(buffers);
    if buffers.message.capacity() > RETAINED_BYTES {
        *buffers = Buffers::default();
    }
}

/// A message whose attributes alone are redacted.
#[derive(Clone, Copy)]
enum Kind {
    Resource,
    Scope,
}

impl Kind {
    /// The attributes of an encoded message.
    fn attributes(self, message: &[u8]) -> Result<Vec<KeyValue>, WireError> {
        // The reader takes a `ResourceSpans` or a `ScopeSpans`, which have it in field 1.
        let mut group = Vec::new();
        put_bytes(&mut group, FIRST, message);
        match self {
            Self::Resource => attributes(ResourceSpans::parse(&group)?.attributes()),
            Self::Scope => attributes(ScopeSpans::parse(&group)?.attributes()),
        }
    }
}

/// Replaces the parts of a span by those of the redacted message, which has the same events and links.
fn replace(span: &mut SpanData, message: &[u8]) -> Result<(), WireError> {
    let view = SpanView::parse(message)?;
    span.name = view.name()?.to_owned().into();
    span.attributes = attributes(view.attributes())?;
    let mut events = view.events();
    for event in &mut span.events.events {
        let Some(redacted) = events.next().transpose()? else { return strip_rest(span) };
        event.name = redacted.name()?.to_owned().into();
        event.attributes = attributes(redacted.attributes())?;
    }
    let mut links = view.links();
    for link in &mut span.links.links {
        let Some(redacted) = links.next().transpose()? else { return strip_rest(span) };
        link.attributes = attributes(redacted.attributes())?;
    }
    if matches!(span.status, Status::Error { .. }) {
        span.status = Status::error(view.status_message()?.to_owned());
    }
    Ok(())
}

/// A result without an event or a link: the redactor deletes none.
fn strip_rest(span: &mut SpanData) -> Result<(), WireError> {
    strip(span);
    Ok(())
}

/// Removes all that rules reach.
fn strip(span: &mut SpanData) {
    let add = |count: &mut u32, more: usize| {
        *count = count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
    };
    span.name = "****".into();
    add(&mut span.dropped_attributes_count, span.attributes.len());
    span.attributes.clear();
    add(&mut span.events.dropped_count, span.events.events.len());
    span.events.events.clear();
    for link in &mut span.links.links {
        add(&mut link.dropped_attributes_count, link.attributes.len());
        link.attributes.clear();
    }
    if matches!(span.status, Status::Error { .. }) {
        span.status = Status::error("");
    }
}

/// Bytes of a message whose buffers are retained.
const RETAINED_BYTES: usize = 8 << 10;
/// `ResourceSpans.resource` and `ScopeSpans.scope`: number << 3 | wire type.
const FIRST: u8 = 1 << 3 | 2;
