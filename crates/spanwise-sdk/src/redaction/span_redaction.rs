//! [`SpanRedaction`]: the rules of a provider.

use super::fit::fit;
use crate::live::{LiveRedaction, LiveRule};
use spanwise_redact::{Redacted, Redactor, Scratch};
use spanwise_wire::read::{Fields, SpanView};
use spanwise_wire::write::{DroppedCounts, FinishedSpan, put_bytes};
use spanwise_worker::catch_panic;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The rules of a provider, which apply to each span at its end.
pub(crate) struct SpanRedaction {
    redactor: Redactor,
    /// Spans that lost all their texts because the rules panicked.
    panics: AtomicU64,
}

/// The buffers of a redacted span, which its owner uses again. Empty until the first one.
#[derive(Default)]
pub struct RedactionBuffers(Option<Box<Buffers>>);

#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    /// A message around the bytes to redact, or a redacted span that was cut to its limit.
    message: Vec<u8>,
}

impl SpanRedaction {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, panics: AtomicU64::new(0) }
    }

    /// Passes the redacted span to `then`, with the counts of the data that no longer fits in `span_bytes`.
    ///
    /// The rules cannot panic into the caller: a span on which they do loses its name, its status message, its attributes, events and
    /// links.
    ///
    /// # Cost
    /// A pass over the span's texts. No allocation once `buffers` were used, but after a span of more than 8 KiB.
    pub(crate) fn redact<T>(
        &self,
        span: FinishedSpan<'_>,
        span_bytes: usize,
        buffers: &mut RedactionBuffers,
        then: impl FnOnce(&FinishedSpan<'_>, &DroppedCounts) -> T,
    ) -> T {
        let Buffers { scratch, message } = &mut **buffers.0.get_or_insert_default();
        let mut largest = span.body().len();
        let result = match catch_panic(|| self.redactor.redact_span(span.body(), scratch)) {
            Ok(Redacted::Unchanged) => then(&span, &DroppedCounts::default()),
            Ok(Redacted::Changed(body)) if body.len() <= span_bytes.max(span.body().len()) => {
                largest = largest.max(body.len());
                then(&span.with_body(body), &DroppedCounts::default())
            }
            Ok(Redacted::Changed(body)) => {
                largest = body.len();
                let dropped = fit(body, span_bytes, message);
                then(&span.with_body(message), &dropped)
            }
            Err(_) => {
                // ORDER: Relaxed: counts publish no other data.
                self.panics.fetch_add(1, Relaxed);
                let dropped = fit(span.body(), 0, message);
                then(&span.with_body(message), &dropped)
            }
        };
        if largest > RETAINED_BYTES {
            buffers.0 = None;
        }
        result
    }

    /// Passes the redacted name of a span to `then`.
    pub(crate) fn name<T>(
        &self,
        name: &str,
        buffers: &mut RedactionBuffers,
        then: impl FnOnce(&str) -> T,
    ) -> T {
        let mut span = std::mem::take(&mut buffers.0.get_or_insert_default().message);
        span.clear();
        put_bytes(&mut span, NAME, name.as_bytes());
        let result = self.redact(FinishedSpan::encoded(&span), usize::MAX, buffers, |span, _| {
            let view = SpanView::parse(span.body()).ok();
            then(view.as_ref().and_then(|view| view.name().ok()).unwrap_or_default())
        });
        if let Some(buffers) = &mut buffers.0 {
            buffers.message = span;
        }
        result
    }

    /// Whether a rule changes the name of a span. Nothing is counted.
    pub(crate) fn changes_name(&self, name: &str) -> bool {
        let mut span = Vec::with_capacity(name.len() + MAX_KEY);
        put_bytes(&mut span, NAME, name.as_bytes());
        catch_panic(|| !self.redactor.explain(&span).is_empty()).unwrap_or(true)
    }

    /// The redacted header of a group of spans with one resource: a `ResourceSpans` message without spans.
    pub(crate) fn resource(&self, header: &[u8]) -> Vec<u8> {
        let mut request = Vec::with_capacity(header.len() + MAX_KEY);
        put_bytes(&mut request, RESOURCE_SPANS, header);
        self.request(request, 1, header)
    }

    /// The redacted header of a group of spans of one scope: a `ScopeSpans` message without spans.
    pub(crate) fn scope(&self, header: &[u8]) -> Vec<u8> {
        let (mut group, mut request) = (Vec::new(), Vec::new());
        put_bytes(&mut group, SCOPE_SPANS, header);
        put_bytes(&mut request, RESOURCE_SPANS, &group);
        self.request(request, 2, header)
    }

    /// The message inside of a request that is redacted, below this number of others; `message` if no rule changes it.
    fn request(&self, request: Vec<u8>, depth: usize, message: &[u8]) -> Vec<u8> {
        let mut scratch = Scratch::default();
        let redacted = catch_panic(|| match self.redactor.redact_request(&request, &mut scratch) {
            Redacted::Unchanged => message.to_vec(),
            Redacted::Changed(request) => {
                let inner = (0..depth).try_fold(request, |message, _| {
                    Fields::new(message).next()?.ok()?.bytes().ok()
                });
                inner.unwrap_or_default().to_vec()
            }
        });
        redacted.unwrap_or_else(|_| {
            self.panics.fetch_add(1, Relaxed);
            Vec::new()
        })
    }

    /// A number that differs where the rules differ.
    pub(crate) fn identity(&self) -> u64 {
        self.redactor.__fingerprint()
    }

    /// Number of rules.
    pub(crate) fn rules(&self) -> usize {
        self.redactor.counts().len()
    }

    /// Number of values that each rule changed or deleted; rules with equal names have one row.
    pub(crate) fn counts(&self) -> LiveRedaction {
        let mut rules: Vec<LiveRule> = Vec::new();
        for rule in self.redactor.counts() {
            match rules.iter_mut().find(|known| known.name == rule.name) {
                Some(known) => known.values += rule.count,
                None => rules.push(LiveRule { name: rule.name, values: rule.count }),
            }
        }
        let failures = self.redactor.failures().saturating_add(self.panics.load(Relaxed));
        LiveRedaction { rules, failures }
    }
}

/// Bytes of a span whose buffers are retained for the next one.
const RETAINED_BYTES: usize = 8 * 1024;
/// The longest tag and length in front of a message.
const MAX_KEY: usize = 11;
/// `Span.name`, `ExportTraceServiceRequest.resource_spans` and `ResourceSpans.scope_spans`: number << 3 | wire type.
const NAME: u8 = 5 << 3 | 2;
const RESOURCE_SPANS: u8 = 1 << 3 | 2;
const SCOPE_SPANS: u8 = 2 << 3 | 2;
