//! The parts that the labs share: charts, the page, and options of the command line.

mod chart;
mod options;
mod page;
mod style;

pub(crate) use chart::{Chart, Line};
pub(crate) use options::{Options, failed};
pub(crate) use page::{Row, Section, page};
