//! [`LiveView`]: snapshots of a running provider, for pages and terminals that show it.

mod redaction;
mod snapshot;

pub use redaction::{LiveRedaction, LiveRule};
pub use snapshot::{LiveBudget, LiveDestination, LiveSampler, LiveSnapshot};

use crate::lifecycle::Handle;
use crate::provider::Spanwise;
use spanwise_metrics::{AttributeReport, MetricsSnapshot};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A view of a provider that reads snapshots, for a page or a terminal that shows a running process.
///
/// It does not keep the provider alive: once the last clone and the last tracer of the provider are dropped, the view has no
/// snapshots. In a forked child it has none either. Clones share the provider.
///
/// ```
/// # use spanwise_sdk as spanwise;
/// use spanwise::Spanwise;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let spanwise = Spanwise::builder().with_environment(|_| None).with_service_name("shop").build()?;
///     let view = spanwise.live_view();
///     assert_eq!(view.snapshot().map(|it| it.service_name).as_deref(), Some("shop"));
///     drop(spanwise);
///     assert!(view.snapshot().is_none());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct LiveView {
    handle: Weak<Handle>,
}

impl Spanwise {
    /// A view of this provider that reads snapshots, and does not keep it alive.
    pub fn live_view(&self) -> LiveView {
        LiveView { handle: Arc::downgrade(&self.handle) }
    }
}

impl LiveView {
    /// The present state; `None` if the provider was dropped, and in a forked child.
    ///
    /// # Cost
    /// Reads counters and copies short lists under locks that no thread holds while it makes spans. The description of a sampler of the
    /// user's is the user's code, which may panic.
    pub fn snapshot(&self) -> Option<LiveSnapshot> {
        self.provider().map(|spanwise| LiveSnapshot::of(&spanwise.handle))
    }

    /// Collects ended spans for [`LiveSnapshot::recent_spans`] during the next 10 seconds: a view that shows them calls it before each
    /// snapshot. Without it, spans are not collected and take no memory.
    pub fn watch_spans(&self) {
        if let Some(spanwise) = self.provider() {
            spanwise.handle.core.recent.watch(Instant::now());
        }
    }

    /// Samples ended spans for [`attributes`](Self::attributes) during the next 10 seconds: a view that shows the report calls it
    /// before each. Without it, spans are not sampled and take no memory.
    pub fn watch_attributes(&self) {
        if let Some(spanwise) = self.provider() {
            spanwise.handle.core.attributes.watch(Instant::now());
        }
    }

    /// The attributes of the spans that were sampled since the [watch](Self::watch_attributes) began, without their values: all spans of a
    /// quiet process, and of a busy one at most some thousand in a second, at random. It has no attributes of resources and scopes. `None`
    /// if the provider was dropped, and in a forked child.
    ///
    /// # Cost
    /// The exporter's thread reads the sampled spans, in less than a millisecond of each second. A sketch of 128 keys, 350 KiB, is charged
    /// to the budget; of a small budget it has a sixteenth.
    pub fn attributes(&self) -> Option<AttributeReport> {
        self.provider().map(|spanwise| spanwise.handle.core.attributes.report())
    }

    /// The metrics of the provider, as [`Spanwise::metrics`]; `None` if it was dropped, and in a forked child.
    pub fn metrics(&self) -> Option<MetricsSnapshot> {
        self.provider().map(|spanwise| spanwise.metrics())
    }

    /// The service name of the resource; `None` if the provider exports nothing or was dropped, and in a forked child.
    pub fn service_name(&self) -> Option<String> {
        let name = snapshot::service_name(&self.provider()?.handle.resource());
        (!name.is_empty()).then_some(name)
    }

    fn provider(&self) -> Option<Spanwise> {
        // A thread that the child does not have may have held a lock at the fork.
        let handle = self.handle.upgrade().filter(|handle| !handle.core.is_forked())?;
        Some(Spanwise { handle })
    }
}

impl fmt::Debug for LiveView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveView").finish_non_exhaustive()
    }
}
