//! The settings of further destinations, in which two configurations may differ.

use super::super::redaction::shown;
use super::reloaded::SettingChange;
use spanwise_export::Destination;
use spanwise_transport::TransportBuilder;
use std::sync::Arc;

/// The settings of a further destination.
pub(in super::super) struct DestinationSettings {
    name: Arc<str>,
    /// One for each endpoint; `None`: a sink, which its name identifies.
    transports: Vec<Option<TransportBuilder>>,
}

impl DestinationSettings {
    pub(in super::super) fn of(destinations: &[Destination]) -> Vec<Self> {
        let settings = |destination: &Destination| Self {
            name: destination.name(),
            transports: destination
                .__transports()
                .iter()
                .map(|it| it.__settings().cloned())
                .collect(),
        };
        destinations.iter().map(settings).collect()
    }

    /// The changes from `before` to `next`. Their names come first: one that has another name is another destination.
    pub(in super::super) fn changes(before: &[Self], next: &[Self]) -> Vec<SettingChange> {
        let shape = |list: &[Self]| {
            let of = |it: &Self| {
                (it.name.clone(), it.transports.iter().map(Option::is_some).collect::<Vec<_>>())
            };
            list.iter().map(of).collect::<Vec<_>>()
        };
        if shape(before) != shape(next) {
            let names = |list: &[Self]| {
                let names: Vec<_> = list.iter().map(|it| &*it.name).collect();
                shown(&format!("[{}]", names.join(", ")))
            };
            return vec![SettingChange::new(SETTING, names(before), names(next))];
        }
        let both = before.iter().zip(next);
        both.flat_map(|(before, next)| before.changes_of_transports(next)).collect()
    }

    fn changes_of_transports(&self, next: &Self) -> Vec<SettingChange> {
        let both = self.transports.iter().flatten().zip(next.transports.iter().flatten());
        let changes = both.flat_map(|(before, next)| before.__changes(next));
        let change = |(setting, before, after): (&str, String, String)| {
            let named = |value: &str| shown(&format!("{}, {setting} {value}", self.name));
            SettingChange::new(SETTING, named(&before), named(&after))
        };
        changes.map(change).collect()
    }
}

const SETTING: &str = "with_destination";
