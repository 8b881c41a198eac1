//! The operation of a node: its log, its signals, and its admin endpoint.

pub(crate) mod log;
