//! The settings that all policies of a sampler share.

use super::compat::Compat;
use super::limiters::LimiterPool;
use crate::keys::KeyPool;

#[derive(Clone, Copy)]
pub(crate) struct PolicyOptions<'a> {
    pub(crate) compat: Compat,
    pub(crate) use_trace_state: bool,
    /// Shards have their own counters of `composite`, each for its part of the limit.
    pub(crate) shards: u16,
    /// The states of limits, of which all shards share the token buckets.
    pub(crate) limiters: &'a LimiterPool,
    /// The attributes that the policies of one shard look for.
    pub(crate) keys: &'a KeyPool,
}
