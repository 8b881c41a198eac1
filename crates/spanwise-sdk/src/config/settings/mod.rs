//! The one table of settings: what the builder, the variables and the declarative file can set.
//!
//! Each file has the settings of one area. The reader of the environment takes a [`Setting`], so no variable is
//! read that the table lacks, and the pages about settings are written from it.

mod batching;
mod general;
mod limits;
mod metrics;
mod network;
mod not_supported;
mod setting;

pub(super) use batching::*;
pub(super) use general::*;
pub(super) use limits::*;
pub(super) use metrics::*;
pub(super) use network::*;
pub(super) use setting::millis;
pub use setting::{Setting, SettingType, Support};
use std::sync::LazyLock;

/// Every setting that this crate knows: those of its builder, the variables of the specification that concern
/// traces, those of its own metrics, and its own variables.
///
/// The order is that of `docs/configuration.md`, which is written from this table.
///
/// ```
/// # mod spanwise { pub mod config { pub use spanwise_sdk::settings::*; } }
/// use spanwise::config::settings;
///
/// let delay = settings().iter().find(|setting| setting.variables == ["OTEL_BSP_SCHEDULE_DELAY"]);
/// assert_eq!(delay.map(|setting| setting.default), Some("1000"));
/// ```
pub fn settings() -> &'static [Setting] {
    static TABLE: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        let supported = [general::ALL, limits::ALL, batching::ALL, network::ALL, metrics::ALL];
        [supported.concat(), not_supported::ALL.to_vec()].concat()
    });
    &TABLE
}

/// Declares settings, each a constant and an entry of the file's part of the table.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident = $setting:expr;)*) => {
        $($(#[$doc])* pub(in super::super) const $name: Setting = $setting;)*
        pub(super) const ALL: &[Setting] = &[$($name),*];
    };
}
use rows;
