//! New settings for a running shard.

use super::Shard;
use crate::engine::decider::Decider;
use crate::engine::validated::ShardSettings;
use crate::explain::Explainer;

/// A change of a shard's settings.
pub(crate) struct ShardUpdate {
    /// `None` leaves those in use.
    pub(crate) settings: Option<(ShardSettings, Decider)>,
    pub(crate) explainer: Option<Explainer>,
}

impl ShardUpdate {
    /// This update behind an earlier one that was not applied.
    pub(crate) fn behind(self, earlier: Option<Self>) -> Self {
        let settings = self.settings.or_else(|| earlier.and_then(|earlier| earlier.settings));
        Self { settings, ..self }
    }
}

impl Shard {
    /// Changes the settings for all traces that are not decided yet, and explains the decisions from now on, or none.
    pub(crate) fn update(&mut self, update: ShardUpdate) {
        if let Some((settings, policies)) = update.settings {
            self.reload(settings, policies);
        }
        self.explainer = update.explainer.map(Box::new);
    }
}
