//! Settings of batching that can be replaced while the exporter runs.

use crate::batch_config::BatchConfig;
use crate::error::BatchConfigError;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// The settings of batching of a running exporter. Clones share them: [`set`](Self::set) on one applies to
/// all.
///
/// The exporter's thread applies them at its next turn, at most 100 ms later unless a sink or an observer
/// blocks it. No call here waits for that thread, or for another caller. No span is lost: requests in flight
/// and chunks that are open stay as they are, and the sizes in spans apply to later chunks and requests.
///
/// ```
/// use spanwise_export::Exporter;
/// use spanwise_transport::Transport;
/// use std::time::Duration;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let exporter = Exporter::builder(Transport::builder().build()?).build()?;
///     let batching = exporter.batching();
///     batching.update(|config| {
///         config.with_max_export_batch_size(1_000).with_scheduled_delay(Duration::from_secs(5))
///     })?;
///     assert_eq!(batching.load().max_export_batch_size, 1_000);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct DynamicBatchConfig {
    shared: Arc<Shared>,
}

struct Shared {
    config: ArcSwap<BatchConfig>,
    /// Bytes of the encoded resource, which every request contains.
    resource: usize,
}

impl DynamicBatchConfig {
    /// Settings for requests with a resource of `resource` bytes.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub(crate) fn new(config: BatchConfig, resource: usize) -> Result<Self, BatchConfigError> {
        config.check(resource)?;
        let config = ArcSwap::from_pointee(config);
        Ok(Self { shared: Arc::new(Shared { config, resource }) })
    }

    /// The present settings.
    pub fn load(&self) -> Arc<BatchConfig> {
        self.shared.config.load_full()
    }

    /// Checks the settings without replacing them.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn check(&self, config: &BatchConfig) -> Result<(), BatchConfigError> {
        config.check(self.shared.resource)
    }

    /// Replaces all settings.
    ///
    /// # Errors
    /// A setting is out of its range: nothing changes.
    pub fn set(&self, config: BatchConfig) -> Result<(), BatchConfigError> {
        config.check(self.shared.resource)?;
        self.shared.config.store(Arc::new(config));
        Ok(())
    }

    /// Replaces the settings by the result of `change` for the present ones; calls it again if they were
    /// replaced meanwhile. A `change` that replaces them itself never ends.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn update(
        &self,
        change: impl Fn(BatchConfig) -> BatchConfig,
    ) -> Result<(), BatchConfigError> {
        loop {
            let present = self.load();
            let config = change((*present).clone());
            config.check(self.shared.resource)?;
            let before = self.shared.config.compare_and_swap(&present, Arc::new(config));
            if Arc::ptr_eq(&before, &present) {
                return Ok(());
            }
        }
    }

    /// The present settings, if they are not `known`.
    pub(crate) fn changed(&self, known: &Arc<BatchConfig>) -> Option<Arc<BatchConfig>> {
        let present = self.shared.config.load();
        (!Arc::ptr_eq(&present, known)).then(|| present.clone())
    }
}

/// Settings that no exporter applies: [`set`](Self::set) checks them.
impl Default for DynamicBatchConfig {
    fn default() -> Self {
        let config = ArcSwap::from_pointee(BatchConfig::default());
        Self { shared: Arc::new(Shared { config, resource: 0 }) }
    }
}

impl fmt::Debug for DynamicBatchConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamicBatchConfig").field(&self.load()).finish()
    }
}
