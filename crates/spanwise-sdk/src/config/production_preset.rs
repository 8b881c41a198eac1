//! The settings of a service in production, by one method.

use super::builder::SpanwiseBuilder;
use spanwise_batch::BatchPreset;
use spanwise_sampling::Sampler;

impl SpanwiseBuilder {
    /// The settings of a service in production.
    ///
    /// | setting | value | precedes the preset |
    /// |---|---|---|
    /// | sampler | 0.1 of the traces that start here; children follow their parents | `with_sampler`, `with_sampling_ratio`, `with_remote_sampling` |
    /// | largest number of spans of a request | 1,000 | `with_max_export_batch_size` |
    /// | scheduled delay | 5 s | `with_scheduled_delay` |
    /// | maximum queue size | 2,048 spans | `with_max_queue_size` |
    /// | budget | 16 MiB, in a container with less than 512 MiB a 32nd of its memory | `with_budget_bytes`, `SPANWISE_BUDGET_BYTES` |
    /// | requests in flight | 4, in a container with less than one processor fewer | `with_max_in_flight` |
    ///
    /// The last two are the defaults, with and without the preset. A method precedes the preset, in whatever order they
    /// are called, and [`with_batch_preset`](Self::with_batch_preset) precedes its batching; as code, the preset precedes a
    /// configuration file and the variables.
    ///
    /// A queue of 2,048 spans is full at once where many spans end between two requests: `with_max_queue_size` raises it,
    /// up to what the budget holds, and the ledger counts the lost spans as `queue_full`.
    ///
    /// ```
    /// # use spanwise_sdk as spanwise;
    /// use spanwise::Spanwise;
    ///
    /// fn main() -> Result<(), spanwise::BuildError> {
    ///     let spanwise = Spanwise::builder().with_production_preset().build()?;
    ///     assert_eq!(spanwise.batching().load().max_export_batch_size, 1_000);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_production_preset(mut self) -> Self {
        self.is_production = true;
        self
    }

    /// The preset of batching in code, and the method that selects it.
    pub(super) fn selected_batch_preset(&self) -> Option<(BatchPreset, &'static str)> {
        let of_production = || self.is_production.then_some((BatchPreset::Production, METHOD));
        self.batch_preset.map(|preset| (preset, "with_batch_preset")).or_else(of_production)
    }

    /// The sampler of the preset, for a builder without another one.
    pub(super) fn production_sampler(&self) -> Option<Sampler> {
        // The ratio is in the range that is accepted.
        let sampler = || Sampler::probability(SAMPLING_RATIO).ok();
        self.is_production.then(sampler).flatten().map(Sampler::parent_based)
    }
}

pub(super) const METHOD: &str = "with_production_preset";
const SAMPLING_RATIO: f64 = 0.1;
