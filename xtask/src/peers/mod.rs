//! Real components to test against: their cache, their processes, the spans that they get, the report.

mod cache;
mod case;
mod certificates;
mod corpus;
mod counted;
mod normal;
mod report;
pub(crate) mod route;
mod running;
mod runtime;
mod scratch;
mod table;
mod tool;

pub(crate) use cache::Cache;
pub(crate) use certificates::Certificates;
pub(crate) use corpus::{Corpus, Sent, Variables};
pub(crate) use counted::Counted;
pub(crate) use normal::{Request, compare, decoded, of_service, service_name, spans_of};
pub(crate) use report::{Options, Part, Report};
pub(crate) use running::{Running, free_ports, wait_until};
pub(crate) use runtime::block_on;
pub(crate) use scratch::Scratch;
pub(crate) use tool::Tool;
