//! [`SpanwiseSubscriber`]: a subscriber without a registry.

mod filter;
mod spanwise_subscriber;

pub use spanwise_subscriber::{SpanwiseSubscriber, subscriber};
