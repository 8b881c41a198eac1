//! Spanwise against its rivals. Every bench asserts its answer before it reports a time.
//!
//! ```text
//! cargo bench -p spanwise-benches
//! ```
