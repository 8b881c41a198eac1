//! Spanwise on the workloads that its rivals run, too.
//!
//! ```text
//! cargo xtask bench-all                # everybody, one table
//! cargo bench -p spanwise-benches      # one layer at a time
//! ```
//!
//! The binaries `spanwise-bench` and `spanwise-bench-alloc` speak the same small protocol as the
//! packages under `rivals/`; `spanwise-bench-sink` is the receiving end of all of them. See
//! `docs/BENCHMARKS.md`.

mod attributes;
mod compress;
pub mod corpus;
mod encode;
mod encode_json;
mod extras;
mod flush;
mod native;
mod order;
pub mod order_table;
pub mod profile;
mod subject;
mod tracing;
pub mod traffic;

pub use subject::build;
