//! The section `tail_sampling`.

use spanwise_config::Field;
use spanwise_tail::TailSamplingConfig;

/// The block of both kinds of files. Without `max_memory_bytes`, undecided traces have the largest share that the node gives them, which
/// depends on its memory.
pub(super) fn read(field: &Field<'_>) -> TailSamplingConfig {
    let mut config = TailSamplingConfig::from_field(field);
    let has_bound = field.entries().iter().any(|(key, _)| *key == "max_memory_bytes");
    if !has_bound {
        config.max_memory_bytes = usize::MAX;
    }
    config
}
