//! An export request as groups and spans.

use std::iter::FusedIterator;

use super::fields::{Fields, WireError};
use super::span::SpanView;
use super::value::{self, Attributes, ValueView};

/// The bytes of an `ExportTraceServiceRequest` (equally of a `TracesData`), read in place.
///
/// ```
/// use spanwise_wire::read::TraceRequest;
///
/// let request = TraceRequest::new(b"");
/// assert_eq!(request.count_spans(), Ok(0));
/// assert!(request.spans().next().is_none());
/// ```
#[derive(Clone, Copy)]
pub struct TraceRequest<'a> {
    bytes: &'a [u8],
}

impl<'a> TraceRequest<'a> {
    /// A view of `bytes`, which are not parsed yet.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes of the request.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The `ResourceSpans` groups. Ends after the first error.
    pub fn resources(&self) -> impl FusedIterator<Item = Result<ResourceSpans<'a>, WireError>> {
        Groups(Fields::new(self.bytes))
    }

    /// Every span of every group, in wire order, with its resource and scope.
    ///
    /// A malformed span is an error in its place, and the iterator continues with the next span; a
    /// malformed group ends the iterator, because the start of the next one is unknown.
    ///
    /// # Cost
    /// Each span is parsed once. Groups are skimmed first for their resource and scope, which
    /// may stand behind the spans.
    pub fn spans(&self) -> Spans<'a> {
        Spans {
            groups: Fields::new(self.bytes),
            scopes: Fields::new(&[]),
            spans: Fields::new(&[]),
            resource: &[],
            scope: &[],
        }
    }

    /// Number of spans, counted without parsing them.
    ///
    /// # Errors
    /// The first error in the framing of groups and spans. A span that is malformed inside is
    /// counted.
    pub fn count_spans(&self) -> Result<u64, WireError> {
        let mut count = 0;
        let mut groups = Fields::new(self.bytes);
        while let Some(group) = message(&mut groups, RESOURCE_SPANS)? {
            for field in Fields::new(group) {
                let field = field?;
                match field.number {
                    RESOURCE | SCHEMA_URL => _ = field.bytes()?,
                    SCOPE_SPANS => count += count_in_scope(field.bytes()?)?,
                    _ => {}
                }
            }
        }
        Ok(count)
    }
}

/// The spans of a request, from [`TraceRequest::spans`].
#[derive(Clone)]
pub struct Spans<'a> {
    groups: Fields<'a>,
    scopes: Fields<'a>,
    spans: Fields<'a>,
    resource: &'a [u8],
    scope: &'a [u8],
}

impl<'a> Spans<'a> {
    /// Bytes of messages that are not read yet.
    pub(crate) fn bytes_left(&self) -> usize {
        [&self.groups, &self.scopes, &self.spans].map(|fields| fields.rest().len()).iter().sum()
    }

    fn advance(&mut self) -> Result<Option<Result<SpanView<'a>, WireError>>, WireError> {
        loop {
            if let Some(span) = message(&mut self.spans, SPANS)? {
                return Ok(Some(SpanView::of(span, self.resource, self.scope)));
            }
            if let Some(scope) = message(&mut self.scopes, SCOPE_SPANS)? {
                let scope = ScopeSpans::parse(scope)?;
                self.scope = scope.scope;
                self.spans = Fields::new(scope.bytes);
                continue;
            }
            let Some(group) = message(&mut self.groups, RESOURCE_SPANS)? else { return Ok(None) };
            let group = ResourceSpans::parse(group)?;
            self.resource = group.resource;
            self.scopes = Fields::new(group.bytes);
        }
    }
}

impl<'a> Iterator for Spans<'a> {
    type Item = Result<SpanView<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(span) => span,
            Err(error) => {
                *self = TraceRequest::new(&[]).spans();
                Some(Err(error))
            }
        }
    }
}

impl FusedIterator for Spans<'_> {}

/// One `ResourceSpans` group: a resource and the spans of its scopes.
#[derive(Clone, Copy)]
pub struct ResourceSpans<'a> {
    bytes: &'a [u8],
    resource: &'a [u8],
    schema_url: &'a [u8],
}

impl<'a> ResourceSpans<'a> {
    /// Reads the bytes of a `ResourceSpans` message, with or without spans.
    ///
    /// # Errors
    /// [`WireError`] if its own fields are malformed; resource and groups are not parsed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self { bytes, resource: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                RESOURCE => view.resource = field.bytes()?,
                SCHEMA_URL => view.schema_url = field.bytes()?,
                SCOPE_SPANS => _ = field.bytes()?,
                _ => {}
            }
        }
        Ok(view)
    }

    /// The bytes of the group.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the `Resource` message; empty if there is none.
    pub fn resource(&self) -> &'a [u8] {
        self.resource
    }

    /// The resource's attributes, in wire order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.resource, value::RESOURCE_ATTRIBUTES)
    }

    /// The resource's value for `key`, if it has a readable one; the last entry counts.
    pub fn attribute(&self, key: &str) -> Option<ValueView<'a>> {
        self.attributes().last_of(key)
    }

    /// The `schema_url` of the resource.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn schema_url(&self) -> Result<&'a str, WireError> {
        value::text(self.schema_url)
    }

    /// The groups by instrumentation scope. Ends after the first error.
    pub fn scopes(&self) -> impl FusedIterator<Item = Result<ScopeSpans<'a>, WireError>> {
        Scopes { fields: Fields::new(self.bytes), resource: self.resource }
    }
}

/// One `ScopeSpans` group: an instrumentation scope and its spans.
#[derive(Clone, Copy)]
pub struct ScopeSpans<'a> {
    bytes: &'a [u8],
    resource: &'a [u8],
    scope: &'a [u8],
    schema_url: &'a [u8],
}

impl<'a> ScopeSpans<'a> {
    /// Reads the bytes of a `ScopeSpans` message, with or without spans; it has no resource.
    ///
    /// # Errors
    /// [`WireError`] if its own fields are malformed; scope and spans are not parsed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut view = Self { bytes, resource: &[], scope: &[], schema_url: &[] };
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                SCOPE => view.scope = field.bytes()?,
                SCHEMA_URL => view.schema_url = field.bytes()?,
                SPANS => _ = field.bytes()?,
                _ => {}
            }
        }
        Ok(view)
    }

    /// The bytes of the group.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the `InstrumentationScope` message; empty if there is none.
    pub fn scope(&self) -> &'a [u8] {
        self.scope
    }

    /// The scope's name; empty if it has none.
    ///
    /// # Errors
    /// [`WireError`] if the scope is malformed or the name is not UTF-8.
    pub fn name(&self) -> Result<&'a str, WireError> {
        value::text_field(self.scope, value::SCOPE_NAME)
    }

    /// The scope's version; empty if it has none.
    ///
    /// # Errors
    /// [`WireError`] if the scope is malformed or the version is not UTF-8.
    pub fn version(&self) -> Result<&'a str, WireError> {
        value::text_field(self.scope, value::SCOPE_VERSION)
    }

    /// The scope's attributes, in wire order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.scope, value::SCOPE_ATTRIBUTES)
    }

    /// The `schema_url` of the spans.
    ///
    /// # Errors
    /// [`WireError::Utf8`].
    pub fn schema_url(&self) -> Result<&'a str, WireError> {
        value::text(self.schema_url)
    }

    /// The group's spans, in wire order; errors as in [`TraceRequest::spans`].
    pub fn spans(&self) -> Spans<'a> {
        Spans {
            groups: Fields::new(&[]),
            scopes: Fields::new(&[]),
            spans: Fields::new(self.bytes),
            resource: self.resource,
            scope: self.scope,
        }
    }
}

struct Groups<'a>(Fields<'a>);

impl<'a> Iterator for Groups<'a> {
    type Item = Result<ResourceSpans<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = message(&mut self.0, RESOURCE_SPANS)
            .and_then(|group| group.map(ResourceSpans::parse).transpose());
        if group.is_err() {
            self.0 = Fields::new(&[]);
        }
        group.transpose()
    }
}

impl FusedIterator for Groups<'_> {}

struct Scopes<'a> {
    fields: Fields<'a>,
    resource: &'a [u8],
}

impl<'a> Iterator for Scopes<'a> {
    type Item = Result<ScopeSpans<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let scope = message(&mut self.fields, SCOPE_SPANS)
            .and_then(|scope| scope.map(ScopeSpans::parse).transpose());
        if scope.is_err() {
            self.fields = Fields::new(&[]);
        }
        scope
            .map(|scope| scope.map(|scope| ScopeSpans { resource: self.resource, ..scope }))
            .transpose()
    }
}

impl FusedIterator for Scopes<'_> {}

/// The next message of field `number`; other fields are skipped.
fn message<'a>(fields: &mut Fields<'a>, number: u32) -> Result<Option<&'a [u8]>, WireError> {
    for field in fields {
        let field = field?;
        if field.number == number {
            return field.bytes().map(Some);
        }
    }
    Ok(None)
}

/// The receiver runs this over each request, so the usual lengths, of one and two bytes, do not go
/// through the general field reader.
fn count_in_scope(mut rest: &[u8]) -> Result<u64, WireError> {
    let mut count = 0;
    loop {
        let (len, behind) = match rest {
            [] => return Ok(count),
            [SPAN_KEY, a, behind @ ..] if *a < 0x80 => (usize::from(*a), behind),
            [SPAN_KEY, a, b, behind @ ..] if *b < 0x80 => {
                (usize::from(*a & 0x7f) | usize::from(*b) << 7, behind)
            }
            _ => {
                let mut fields = Fields::new(rest);
                if let Some(field) = fields.next() {
                    let field = field?;
                    if matches!(field.number, SCOPE | SPANS | SCHEMA_URL) {
                        field.bytes()?;
                        count += u64::from(field.number == SPANS);
                    }
                }
                rest = fields.rest();
                continue;
            }
        };
        rest = behind.get(len..).ok_or(WireError::Truncated)?;
        count += 1;
    }
}

// opentelemetry/proto/collector/trace/v1/trace_service.proto and trace/v1/trace.proto
const RESOURCE_SPANS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SCOPE: u32 = 1;
const SPANS: u32 = 2;
const SCHEMA_URL: u32 = 3;
/// [`SPANS`] as a key of wire type 2.
const SPAN_KEY: u8 = 0x12;
