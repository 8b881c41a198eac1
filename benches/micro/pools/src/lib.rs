//! Micro benches of pools and workers. Each binary prints rows, one JSON object a line:
//!
//! ```json
//! {"group": "…", "name": "…", "setup": "glibc, 4 threads", "unit": "ns", "value": 6.5}
//! ```
//!
//! Optional: `claim`, the number in the source document; `target`, `{"at_most": x}`, or
//! `{"times": f, "less_than": "another name of the group and setup"}`.
//! `cargo xtask bench-all` runs the binaries in turns and takes the medians.

pub mod bodies;
pub mod cases;
mod claims;
pub mod count;
mod measure;
mod row;
pub mod tasks;

pub use measure::{count_all, time_all, time_bodies};
pub use row::{Row, Target};
