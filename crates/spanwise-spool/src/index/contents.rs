//! The records and services of a segment, as its builder and its index answer queries about them.

use super::query::RecordQuery;
use super::services::Services;
use super::table::{IndexedRecord, Table};

/// The tables of an index.
#[derive(Debug, Default, Clone)]
pub(super) struct Contents {
    pub(super) services: Services,
    pub(super) table: Table,
}

impl Contents {
    /// The numbers of the records that may have a span for `query`, ascending.
    pub(super) fn matching(&self, query: &RecordQuery) -> Vec<u32> {
        let service = query.service().map(|name| self.services.number(name));
        let matches = |(number, record): (usize, &IndexedRecord)| {
            let number = number as u32;
            let in_time =
                query.times().is_none_or(|times| record.overlaps(*times.start(), *times.end()));
            let of_service = service.is_none_or(|service| self.table.may_have(number, service));
            (in_time && of_service).then_some(number)
        };
        self.table.iter().enumerate().filter_map(matches).collect()
    }

    /// The names of the services of a record, as far as the index has them.
    pub(super) fn services_of(&self, number: u32) -> impl Iterator<Item = &str> {
        self.table.services(number).iter().filter_map(|service| self.services.name(*service))
    }
}
