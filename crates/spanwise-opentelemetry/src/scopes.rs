//! The instrumentation scopes that a writer has seen last.

use opentelemetry::InstrumentationScope;
use spanwise_sdk::__private::Pipeline;

/// A few instrumentation scopes with their indices, so that a span usually finds its own without a lock.
#[derive(Default)]
pub(crate) struct ScopeCache {
    /// At most [`SCOPES`].
    known: Vec<(InstrumentationScope, u32)>,
    /// The place of the scope of the last span.
    last: usize,
}

impl ScopeCache {
    /// The index of `scope` in the table of `pipeline`.
    ///
    /// # Cost
    /// The comparison with the scope of the last span. A scope that is not cached is encoded and looked
    /// up under a lock.
    pub(crate) fn index(&mut self, scope: &InstrumentationScope, pipeline: &Pipeline) -> u32 {
        if let Some((known, index)) = self.known.get(self.last)
            && is_same(known, scope)
        {
            return *index;
        }
        self.find(scope, pipeline)
    }

    #[inline(never)]
    fn find(&mut self, scope: &InstrumentationScope, pipeline: &Pipeline) -> u32 {
        if let Some(place) = self.known.iter().position(|(known, _)| is_same(known, scope)) {
            self.last = place;
            return self.known.get(place).map_or(0, |(_, index)| *index);
        }
        let index = pipeline.scope(scope);
        if self.known.len() < SCOPES {
            self.last = self.known.len();
            self.known.push((scope.clone(), index));
        } else {
            self.last = (self.last + 1) % SCOPES;
            if let Some(oldest) = self.known.get_mut(self.last) {
                *oldest = (scope.clone(), index);
            }
        }
        index
    }
}

/// Whether two scopes are equal. The API's comparison allocates for scopes with attributes, which it sorts;
/// the order of attributes matters here, so that equal scopes may have two entries.
fn is_same(a: &InstrumentationScope, b: &InstrumentationScope) -> bool {
    a.name() == b.name()
        && a.version() == b.version()
        && a.schema_url() == b.schema_url()
        && a.attributes().eq(b.attributes())
}

/// Scopes in a cache: a program rarely has more instrumented libraries.
const SCOPES: usize = 16;
